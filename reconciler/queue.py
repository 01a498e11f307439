"""The work queue: names, not events. A key waits at most once and is worked on by one worker at a time.

          add, add_after                 get
(absent) ───────────────▶ waiting(when) ─────▶ in flight ──done──▶ (absent)
                               ▲                   │ add, add_after
                               └──────done─────────┘ remembered, earliest time wins
"""

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple


class Key(NamedTuple):
    """The name of a custom resource. `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


@dataclass
class WorkQueue:
    """Keys by the time at which they are due. `clock` is monotonic, in seconds.

    One heap holds what is due now, timers and retries alike, so nothing polls.
    """

    clock: Callable[[], float]
    retry_base_s: float
    retry_cap_s: float
    _due: dict[Key, float] = field(default_factory=dict)
    _heap: list[tuple[float, int, Key]] = field(default_factory=list)
    _in_flight: set[Key] = field(default_factory=set)
    _failures: dict[Key, int] = field(default_factory=dict)
    _sequence: "count[int]" = field(default_factory=count)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: Key) -> None:
        """The key is due now."""
        self.add_after(key, 0.0)

    def add_after(self, key: Key, delay_s: float) -> None:
        """The key is due in delay_s seconds; if it waits already, the earlier time holds."""
        when = self.clock() + delay_s
        if when >= self._due.get(key, float("inf")):
            return
        self._due[key] = when
        if key not in self._in_flight:
            self._push(key, when)

    def retry(self, key: Key) -> float:
        """The key failed: it is due after a delay that doubles with each failure. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest_s = min(self.retry_cap_s, self.retry_base_s * 2.0 ** min(failures, 30))
        # Jitter keeps resources that failed together from coming back together.
        delay_s = longest_s * random.uniform(0.8, 1.0)
        self.add_after(key, delay_s)
        return delay_s

    def forget(self, key: Key) -> None:
        """The key succeeded: its next failure is the first."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Wait for a key that is due and take it. The caller calls done() when it is through."""
        while True:
            key = self._pop_due()
            if key is not None:
                return key
            self._changed.clear()
            wait_s = max(0.0, self._heap[0][0] - self.clock()) if self._heap else None
            try:
                await asyncio.wait_for(self._changed.wait(), wait_s)
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """The key is not worked on any more; if it was added meanwhile, it waits again."""
        self._in_flight.discard(key)
        if key in self._due:
            self._push(key, self._due[key])

    def __len__(self) -> int:
        return len(self._due)

    def _push(self, key: Key, when: float) -> None:
        heapq.heappush(self._heap, (when, next(self._sequence), key))
        self._changed.set()

    def _pop_due(self) -> Key | None:
        while self._heap and self._heap[0][0] <= self.clock():
            when, _, key = heapq.heappop(self._heap)
            # An entry is stale if the key was given an earlier time since, or was taken.
            if self._due.get(key) == when and key not in self._in_flight:
                del self._due[key]
                self._in_flight.add(key)
                return key
        return None
