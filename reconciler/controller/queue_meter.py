"""What the metrics say of the work queue, as controller-runtime has it: how deep, how long, how often."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.controller.metrics import QUEUE_WAIT, QUEUE_WORK, RETRIES, controller_label, controllers


class QueueMeter(Collector):
    """Measures a work queue, whose keys are of any hashable type.

    clock: the queue's, in seconds. due: the kinds of all keys that are due and not taken, one for each key.
    What only counts at the moment of reading is computed then; register it with REGISTRY to be read.
    """

    def __init__(self, clock: Callable[[], float], due: Callable[[], Iterable[str]]) -> None:
        self._clock = clock
        self._due = due
        self._taken = Counter[str]()
        self._under_way: dict[Hashable, tuple[str, float]] = {}

    def taken(self, key: Hashable, kind: str, due_at: float) -> None:
        """A key that was due at due_at is worked on from now on."""
        name, now = controller_label(kind), self._clock()
        self._taken[name] += 1
        self._under_way[key] = name, now
        QUEUE_WAIT.labels(name).observe(max(0.0, now - due_at))

    def done(self, key: Hashable) -> None:
        """The key is not worked on any more."""
        name, since = self._under_way.pop(key)
        QUEUE_WORK.labels(name).observe(self._clock() - since)

    def retried(self, kind: str) -> None:
        """A key was put off after a failure."""
        RETRIES.labels(controller_label(kind)).inc()

    def longest_s(self) -> float:
        """For how many seconds the oldest key has been worked on."""
        return max((self._clock() - since for _, since in self._under_way.values()), default=0.0)

    def collect(self) -> Iterator[Metric]:
        """The metrics that are computed when they are read."""
        depth = GaugeMetricFamily("workqueue_depth", "Resources that are due for a pass.", labels=["name"])
        adds = CounterMetricFamily(
            "workqueue_adds", "How often a resource became due for a pass.", labels=["name"]
        )
        unfinished = GaugeMetricFamily(
            "workqueue_unfinished_work_seconds",
            "Seconds of work on the resources in progress, added up.",
            labels=["name"],
        )
        longest = GaugeMetricFamily(
            "workqueue_longest_running_processor_seconds",
            "Seconds of work on the oldest of them.",
            labels=["name"],
        )
        waiting = Counter(map(controller_label, self._due()))
        now = self._clock()
        for name in controllers():
            ages = [now - since for whose, since in self._under_way.values() if whose == name]
            depth.add_metric([name], waiting[name])
            # A key that is due is taken some time and never forgotten, so this sum only grows.
            adds.add_metric([name], self._taken[name] + waiting[name])
            unfinished.add_metric([name], sum(ages))
            longest.add_metric([name], max(ages, default=0.0))
        yield from (depth, adds, unfinished, longest)
