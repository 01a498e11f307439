"""Metrics of flavors. docs/metrics.md explains them."""

from prometheus_client import Counter

from reconciler.telemetry.metrics import REGISTRY

SCHEDULABLE_LOOKS = Counter(
    "devserver_schedulable_looks_total",
    "How often a flavor's free room was computed.",
    registry=REGISTRY,
)
