"""The metrics of the work queue. They have the names and meanings of controller-runtime's."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.controller.metrics import QUEUE_WAIT, QUEUE_WORK, RETRIES, controller_label, controllers


class QueueMeter(Collector):
    """Measures a work queue. Its keys may have any hashable type.

    clock: the queue's, in seconds. due: returns the kind of each key that is due and not taken.
    Register it with REGISTRY. Values that matter only when Prometheus reads them are computed then.
    """

    def __init__(self, clock: Callable[[], float], due: Callable[[], Iterable[str]]) -> None:
        self._clock = clock
        self._due = due
        self._taken = Counter[str]()
        self._under_way: dict[Hashable, tuple[str, float]] = {}

    def taken(self, key: Hashable, kind: str, due_at: float) -> None:
        """Record that work on a key begins. due_at: when it was due, by the clock."""
        name, now = controller_label(kind), self._clock()
        self._taken[name] += 1
        self._under_way[key] = name, now
        QUEUE_WAIT.labels(name).observe(max(0.0, now - due_at))

    def done(self, key: Hashable) -> None:
        """Record that work on a key ends."""
        name, since = self._under_way.pop(key)
        QUEUE_WORK.labels(name).observe(self._clock() - since)

    def retried(self, kind: str) -> None:
        """Record that a key waits for a retry after a failure."""
        RETRIES.labels(controller_label(kind)).inc()

    def longest_s(self) -> float:
        """Seconds of work on the key that has been in progress longest; 0 if there is none."""
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
            # Every due key is taken sooner or later, so this sum only grows.
            adds.add_metric([name], self._taken[name] + waiting[name])
            unfinished.add_metric([name], sum(ages))
            longest.add_metric([name], max(ages, default=0.0))
        yield from (depth, adds, unfinished, longest)
