"""The metrics of the engine. docs/metrics.md explains them."""

from collections.abc import Iterable
from typing import Literal, get_args

from prometheus_client import Counter, Histogram

from reconciler.telemetry.metrics import PASS_BUCKETS_S, REGISTRY, UNKNOWN

Operation = Literal["up", "destroy", "reveal"]
# rejected: the same inputs would be refused again. lost: the engine died or was killed at its deadline.
RunResult = Literal["success", "rejected", "failed", "lost"]
RestartReason = Literal["failed", "died", "runs", "memory", "age"]

_ENGINE_RUNS = Counter(
    "devserver_engine_runs_total",
    "Pulumi runs, by the kind of the resource and how they ended.",
    ["kind", "operation", "result"],
    registry=REGISTRY,
)
_ENGINE_RUN_TIME = Histogram(
    "devserver_engine_run_seconds",
    "How long Pulumi runs take.",
    ["kind", "operation"],
    buckets=PASS_BUCKETS_S,
    registry=REGISTRY,
)
_ENGINE_RESTARTS = Counter(
    "devserver_engine_restarts_total",
    "Engine workers and shared providers that were replaced, by reason.",
    ["process", "reason"],
    registry=REGISTRY,
)
# The kinds by their names in lower case, with which the names of stacks begin.
_KINDS: dict[str, str] = {}


def register_kinds(kinds: Iterable[str]) -> None:
    """Give runs for resources of these kinds their own label values, from zero on. Others count as unknown."""
    for kind in kinds:
        _KINDS[kind.lower()] = kind
        for operation in ("up", "destroy"):
            for result in get_args(RunResult):
                _ENGINE_RUNS.labels(kind, operation, result)


def engine_run(stack: str, operation: Operation, result: RunResult, seconds: float) -> None:
    """A Pulumi run ended. stack: KIND-UID, the kind in lower case."""
    label = _KINDS.get(stack.partition("-")[0], UNKNOWN)
    _ENGINE_RUNS.labels(label, operation, result).inc()
    _ENGINE_RUN_TIME.labels(label, operation).observe(seconds)


def engine_restarted(process: Literal["worker", "provider"], reason: RestartReason) -> None:
    """A worker or provider is replaced."""
    _ENGINE_RESTARTS.labels(process, reason).inc()


# A rate does not see the step from nothing to one.
for _reason in ("failed", "died", "runs", "memory"):
    _ENGINE_RESTARTS.labels("worker", _reason)
for _reason in ("failed", "died", "runs", "age"):
    _ENGINE_RESTARTS.labels("provider", _reason)
