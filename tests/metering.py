"""Reading metrics in tests."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from reconciler.telemetry.metrics import REGISTRY

Labels = tuple[tuple[str, str], ...]


def samples(families: Iterable[Metric]) -> dict[tuple[str, Labels], float]:
    """Values by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


class Growth:
    """By how much samples have grown since this was made."""

    def __init__(self) -> None:
        self._before = samples(REGISTRY.collect())

    def __call__(self, name: str, /, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return samples(REGISTRY.collect()).get(key, 0.0) - self._before.get(key, 0.0)
