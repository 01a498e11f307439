"""The work queue. It holds names, not events. A key waits at most once in a lane and is in flight once at a time.

          add, add_after                 time             get
(absent) ───────────────▶ waiting(when) ─────▶ due ───────────▶ in flight ──done──▶ (absent)
                               ▲                                    │ add, add_after
                               └───────────────done─────────────────┘ remembered, earliest time wins

There are two lanes, so that the many quick passes never queue behind the few that take an engine run. Among the keys
that are due in a lane, the urgent ones (a user waits for them) go first. No key starves: a key is in flight once at a
time, so one resource cannot fill all workers.
"""

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from reconciler.controller.queue_meter import QueueMeter
from reconciler.kube.objects import Key


class Lane(Enum):
    """LOOK: see whether there is something to do, and report the status. RUN: do what needs an engine run."""

    LOOK = auto()
    RUN = auto()


@dataclass(frozen=True)
class _Turn:
    """When a key is due, in seconds of the clock, and whether a user waits for it."""

    when: float
    urgent: bool


# (not urgent, when, order of arrival, key). The smallest goes first.
_Due = tuple[bool, float, int, Key]


@dataclass
class _Waiting:
    """The keys that wait in one lane.

    turns: all of them. timers: a heap of the times at which they are due. due: a heap of those that are due.
    parked: by namespace, heaps of keys that are due but wait, because the namespace has run_share keys in flight.
    """

    turns: dict[Key, _Turn] = field(default_factory=dict)
    timers: list[tuple[float, int, Key]] = field(default_factory=list)
    due: list[_Due] = field(default_factory=list)
    parked: dict[str, list[_Due]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class WorkQueue:
    """Keys by the time at which they are due. clock: monotonic, in seconds.

    Timers and retries are ordinary entries, so nothing polls. meter: the queue's metrics.
    run_share: how many keys of one namespace may be in flight in the RUN lane. So a namespace where everything is slow
        leaves room for the others. None: no limit.
    """

    clock: Callable[[], float]
    retry_base_s: float
    retry_cap_s: float
    run_share: int | None = None
    _lanes: dict[Lane, _Waiting] = field(default_factory=lambda: {lane: _Waiting() for lane in Lane})
    _in_flight: dict[Key, Lane] = field(default_factory=dict)
    # Keys in flight in the RUN lane, by namespace.
    _runs: Counter[str] = field(default_factory=Counter)
    _failures: dict[Key, int] = field(default_factory=dict)
    _sequence: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.meter = QueueMeter(self.clock, self._kinds_due)

    def add(self, key: Key, lane: Lane = Lane.LOOK, urgent: bool = False) -> None:
        """Make the key due now."""
        self.add_after(key, 0.0, lane, urgent)

    def add_after(self, key: Key, delay_s: float, lane: Lane = Lane.LOOK, urgent: bool = False) -> None:
        """Make the key due in delay_s seconds. If it waits already, the earlier time and the greater urgency hold."""
        waiting = self._lanes[lane]
        turn = _Turn(self.clock() + delay_s, urgent)
        before = waiting.turns.get(key)
        if before is not None:
            turn = _Turn(min(before.when, turn.when), before.urgent or urgent)
            if turn == before:
                return
        waiting.turns[key] = turn
        if key not in self._in_flight:
            self._push(waiting, key, turn)

    def retry(self, key: Key) -> float:
        """After a failure, make the key due with a delay that doubles each time. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest_s = min(self.retry_cap_s, self.retry_base_s * 2.0 ** min(failures, 30))
        # Jitter spreads the retries of resources that failed together.
        delay_s = longest_s * random.uniform(0.8, 1.0)
        self.add_after(key, delay_s)
        self.meter.retried(key.kind)
        return delay_s

    def forget(self, key: Key) -> None:
        """After a success, count the key's failures from zero again."""
        self._failures.pop(key, None)

    def hurry(self) -> None:
        """Make every key that failed due now. Its count of failures stays."""
        for key in self._failures:
            self.add(key)

    async def get(self, lane: Lane = Lane.LOOK) -> Key:
        """Wait for a key that is due in the lane and take it. The caller must call done() afterwards."""
        waiting = self._lanes[lane]
        while True:
            key = self.take_due(lane)
            if key is not None:
                return key
            waiting.changed.clear()
            wait_s = max(0.0, waiting.timers[0][0] - self.clock()) if waiting.timers else None
            try:
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the change.
                async with asyncio.timeout(wait_s):
                    await waiting.changed.wait()
            except TimeoutError:
                continue

    def take_due(self, lane: Lane = Lane.LOOK) -> Key | None:
        """Take a key that is due in the lane now; None if there is none. The caller must call done() afterwards."""
        waiting = self._lanes[lane]
        while waiting.timers and waiting.timers[0][0] <= self.clock():
            when, sequence, key = heapq.heappop(waiting.timers)
            turn = waiting.turns.get(key)
            if turn is not None and turn.when == when:
                heapq.heappush(waiting.due, (not turn.urgent, when, sequence, key))
        while waiting.due:
            entry = heapq.heappop(waiting.due)
            _, when, _, key = entry
            if not self._is_current(waiting, entry):
                continue
            if (
                lane is Lane.RUN
                and self.run_share is not None
                and self._runs[key.namespace] >= self.run_share
            ):
                heapq.heappush(waiting.parked.setdefault(key.namespace, []), entry)
                continue
            del waiting.turns[key]
            self._in_flight[key] = lane
            if lane is Lane.RUN:
                self._runs[key.namespace] += 1
            self.meter.taken(key, key.kind, when)
            return key
        return None

    def done(self, key: Key) -> None:
        """End the work on a key. If it was added meanwhile, it waits again."""
        if self._in_flight.pop(key, None) is Lane.RUN:
            self._runs[key.namespace] -= 1
            self._unpark(key.namespace)
        self.meter.done(key)
        for waiting in self._lanes.values():
            if key in waiting.turns:
                self._push(waiting, key, waiting.turns[key])

    def __len__(self) -> int:
        return sum(len(waiting.turns) for waiting in self._lanes.values())

    def _push(self, waiting: _Waiting, key: Key, turn: _Turn) -> None:
        heapq.heappush(waiting.timers, (turn.when, next(self._sequence), key))
        waiting.changed.set()

    def _is_current(self, waiting: _Waiting, entry: _Due) -> bool:
        """Whether the entry still holds: the key has no other turn since, and nobody took it."""
        unhurried, when, _, key = entry
        return waiting.turns.get(key) == _Turn(when, not unhurried) and key not in self._in_flight

    def _unpark(self, namespace: str) -> None:
        """After a key of the namespace is done, let the namespace's next parked key go."""
        if not self._runs[namespace]:
            del self._runs[namespace]
        waiting = self._lanes[Lane.RUN]
        parked = waiting.parked.get(namespace, [])
        while parked:
            entry = heapq.heappop(parked)
            if self._is_current(waiting, entry):
                heapq.heappush(waiting.due, entry)
                waiting.changed.set()
                break
        if not parked:
            waiting.parked.pop(namespace, None)

    def _kinds_due(self) -> Iterator[str]:
        now = self.clock()
        for waiting in self._lanes.values():
            yield from (key.kind for key, turn in waiting.turns.items() if turn.when <= now)
