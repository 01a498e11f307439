"""Limits how often the work on a name is done, however often it is requested."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Debouncer:
    """Names that need work. The first work on a name is due at once, the next one not before interval_s is over.

    clock: monotonic, in seconds.
    """

    clock: Callable[[], float]
    interval_s: float
    _due: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)

    def touch(self, name: str) -> None:
        """Request work on the name. Several requests before the work count once."""
        if name not in self._due:
            last = self._last.get(name)
            self._due[name] = self.clock() if last is None else max(self.clock(), last + self.interval_s)

    def forget(self, name: str) -> None:
        """Forget a name that does not exist any more."""
        self._due.pop(name, None)
        self._last.pop(name, None)

    def take(self) -> list[str]:
        """Take the names that are due. The caller works on them now."""
        now = self.clock()
        due = sorted(name for name, when in self._due.items() if when <= now)
        for name in due:
            del self._due[name]
            self._last[name] = now
        return due

    def next_s(self) -> float | None:
        """Seconds until the next name is due; None if none waits."""
        return max(0.0, min(self._due.values()) - self.clock()) if self._due else None
