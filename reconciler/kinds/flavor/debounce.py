"""Work on names that is asked for often and done at most once in a while."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Debouncer:
    """Names that are to be worked on. The first time is at once, the next ones not before interval_s is over.

    clock: monotonic, in seconds.
    """

    clock: Callable[[], float]
    interval_s: float
    _due: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)

    def touch(self, name: str) -> None:
        """The name is to be worked on, once, however often this is called before it is."""
        if name not in self._due:
            last = self._last.get(name)
            self._due[name] = self.clock() if last is None else max(self.clock(), last + self.interval_s)

    def forget(self, name: str) -> None:
        """There is no such thing any more."""
        self._due.pop(name, None)
        self._last.pop(name, None)

    def take(self) -> list[str]:
        """The names that are due, to be worked on now."""
        now = self.clock()
        due = sorted(name for name, when in self._due.items() if when <= now)
        for name in due:
            del self._due[name]
            self._last[name] = now
        return due

    def next_s(self) -> float | None:
        """In how many seconds a name is due; None if none waits."""
        return max(0.0, min(self._due.values()) - self.clock()) if self._due else None
