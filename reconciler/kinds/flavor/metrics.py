"""Metrics of flavors. docs/metrics.md explains them."""

from prometheus_client import Counter

from reconciler.telemetry.metrics import REGISTRY

SCHEDULABLE_LOOKS = Counter(
    "devserver_schedulable_looks_total",
    "How often it was worked out whether pods of a flavor find room.",
    registry=REGISTRY,
)
