"""The metrics of the loop. docs/metrics.md explains them.

The first part has the names, types and labels of controller-runtime, so that dashboards and alerts made for it fit;
the second is our own.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from crds.resources import CHILDREN
from reconciler.telemetry.metrics import PASS_BUCKETS_S, REGISTRY, UNKNOWN

CHILD_KINDS = tuple(resource.kind for resource in CHILDREN)
# Those that have label values of their own.
_kinds: list[str] = []

ReconcileResult = Literal["success", "error", "requeue", "requeue_after"]
DriftResult = Literal["observed", "repaired", "contested"]

_WAIT_BUCKETS_S = (0.001, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)


def kind_label(kind: str) -> str:
    """The kind as a label value. A damaged object may claim any kind."""
    return kind if kind in _kinds or kind in CHILD_KINDS else UNKNOWN


def controller_label(kind: str) -> str:
    """The kind as controller-runtime names the controller and the queue of it."""
    return kind_label(kind).lower()


def controllers() -> list[str]:
    """The label values of all kinds that have one of their own."""
    return [controller_label(kind) for kind in _kinds]


# --- as controller-runtime has them ------------------------------------------------------------------------

_RECONCILES = Counter(
    "controller_runtime_reconcile_total",
    "Passes over resources, by how they ended.",
    ["controller", "result"],
    registry=REGISTRY,
)
_RECONCILE_ERRORS = Counter(
    "controller_runtime_reconcile_errors_total",
    "Passes that ended in an error.",
    ["controller"],
    registry=REGISTRY,
)
_RECONCILE_TIME = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "How long passes take.",
    ["controller"],
    buckets=PASS_BUCKETS_S,
    registry=REGISTRY,
)
_ACTIVE_WORKERS = Gauge(
    "controller_runtime_active_workers",
    "Passes in progress.",
    ["controller"],
    registry=REGISTRY,
)
_MAX_CONCURRENT = Gauge(
    "controller_runtime_max_concurrent_reconciles",
    "How many passes may be in progress at the same time; all kinds share them.",
    ["controller"],
    registry=REGISTRY,
)
QUEUE_WAIT = Histogram(
    "workqueue_queue_duration_seconds",
    "How long a resource waits after it became due for a pass.",
    ["name"],
    buckets=_WAIT_BUCKETS_S,
    registry=REGISTRY,
)
QUEUE_WORK = Histogram(
    "workqueue_work_duration_seconds",
    "How long the work on a resource takes.",
    ["name"],
    buckets=PASS_BUCKETS_S,
    registry=REGISTRY,
)
RETRIES = Counter(
    "workqueue_retries_total",
    "Retries that were scheduled after a failure.",
    ["name"],
    registry=REGISTRY,
)
LEADER = Gauge(
    "leader_election_master_status",
    "1 if this process holds the Lease, 0 if it stands by.",
    ["name"],
    registry=REGISTRY,
)


@dataclass
class Pass:
    """How a pass over a resource ends; an error until said otherwise."""

    result: ReconcileResult = "error"


@contextmanager
def reconciling(kind: str) -> Iterator[Pass]:
    """Count and time the pass that the block is."""
    controller, this, started = controller_label(kind), Pass(), time.perf_counter()
    _ACTIVE_WORKERS.labels(controller).inc()
    try:
        yield this
    finally:
        _ACTIVE_WORKERS.labels(controller).dec()
        _RECONCILE_TIME.labels(controller).observe(time.perf_counter() - started)
        _RECONCILES.labels(controller, this.result).inc()
        if this.result == "error":
            _RECONCILE_ERRORS.labels(controller).inc()


def set_max_concurrent(workers: int) -> None:
    """So many passes may be under way at a time."""
    for controller in controllers():
        _MAX_CONCURRENT.labels(controller).set(workers)


# --- our own -----------------------------------------------------------------------------------------------

_ADOPTIONS = Counter(
    "devserver_adoptions_total",
    "Existing objects that a stack adopted because its state did not have them, by their kind.",
    ["kind"],
    registry=REGISTRY,
)
_ORPHANS_SWEPT = Counter(
    "devserver_orphans_swept_total",
    "Objects of a destroyed stack that its state did not have and that were deleted afterwards, by their kind.",
    ["kind"],
    registry=REGISTRY,
)
_DRIFT = Counter(
    "devserver_drift_total",
    "Children that someone else changed or deleted, by the kind of the resource and what was done about it.",
    ["kind", "result"],
    registry=REGISTRY,
)
CLOCK_OFFSET = Gauge(
    "devserver_clock_offset_seconds",
    "How far the API server's clock is ahead of this one, with an error of up to one second.",
    registry=REGISTRY,
)
_WATCH_SILENCE = Gauge(
    "devserver_watch_silence_seconds",
    "Seconds since a watch last received something from the API server.",
    ["watch"],
    registry=REGISTRY,
)
EXPIRATIONS = Counter(
    "devserver_expirations_total",
    "Resources deleted at the end of their time to live.",
    registry=REGISTRY,
)


def follow_silence(watch: str, silent_s: Callable[[], float]) -> None:
    """From now on tell for how long the watch of that name has heard nothing."""
    _WATCH_SILENCE.labels(watch).set_function(silent_s)


def forget_silence(watch: str) -> None:
    """The watch has ended, as it should."""
    _WATCH_SILENCE.remove(watch)


def adopted(child_kind: str) -> None:
    """A stack took up an object that it did not know."""
    _ADOPTIONS.labels(kind_label(child_kind)).inc()


def orphan_swept(child_kind: str) -> None:
    """An object that no state knew was deleted after a destroy."""
    _ORPHANS_SWEPT.labels(kind_label(child_kind)).inc()


def drift(kind: str, result: DriftResult) -> None:
    """Someone else changed or deleted children of a resource of that kind."""
    _DRIFT.labels(kind_label(kind), result).inc()


def register_kinds(kinds: Iterable[str]) -> None:
    """Give these kinds label values of their own, from zero on: a rate does not see the step from nothing to one."""
    for kind in kinds:
        if kind not in _kinds:
            _kinds.append(kind)
        controller = controller_label(kind)
        _RECONCILE_ERRORS.labels(controller)
        RETRIES.labels(controller)
        _ACTIVE_WORKERS.labels(controller)
        for result in get_args(ReconcileResult):
            _RECONCILES.labels(controller, result)
        for drifted in get_args(DriftResult):
            _DRIFT.labels(kind, drifted)


for _child_kind in CHILD_KINDS:
    _ADOPTIONS.labels(_child_kind)
    _ORPHANS_SWEPT.labels(_child_kind)
