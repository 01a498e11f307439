"""The metrics of the stored states. docs/metrics.md explains them."""

from prometheus_client import Counter, Gauge

from reconciler.state.diagnosis import Problem
from reconciler.telemetry.metrics import REGISTRY

STATE_BYTES = Gauge(
    "devserver_state_bytes",
    "Size of all states of stacks together, compressed as they are stored.",
    registry=REGISTRY,
)
_STATE_PROBLEMS = Counter(
    "devserver_state_problems_total",
    "States that were damaged, lost or another stack's, by problem.",
    ["problem"],
    registry=REGISTRY,
)


def state_problem(problem: Problem) -> None:
    """Something is wrong with a stored state."""
    _STATE_PROBLEMS.labels(problem).inc()


# A rate does not see the step from nothing to one.
for _problem in Problem:
    _STATE_PROBLEMS.labels(_problem)
