"""The next status of a resource. Pure; conditions change through the few mutators only.

Ready         what the cluster shows. Its observedGeneration is that of the last applied spec, so that
              `kubectl wait --for=condition=Ready` does not take an earlier spec's readiness for this one's.
Reconciling   the operator still works on it, or waits for another object
Stalled       the user must change the spec

lastTransitionTime is that of the condition's status, as everywhere in Kubernetes; the message of Ready says besides
since when the cluster shows what it tells. Reconciling and Stalled are there only while they are true, each for one
reason: with another reason another one begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crds import Condition, LastUpdate
from crds.base import CommonStatus, Metadata
from reconciler import reasons
from reconciler.drift import Told
from reconciler.engine import Outcome
from reconciler.errors import ReconcileError, Stalled
from reconciler.expiry import format_time
from reconciler.readiness import Readiness, Restart
from reconciler.shown import Shown
from reconciler.text import one_line, shortened

HISTORY_LENGTH = 10
_MAX_MESSAGE = 2000


@dataclass(frozen=True)
class PassResult:
    """How a pass ended.

    error: why the goal was not reached, None if it was.
    outcome: of the engine run, None if there was none.
    digest: of what is applied now.
    readiness: what the cluster shows; None if nothing was ever applied.
    drift: what others did to the children and is left as it is.
    facts: fields of this kind alone, camelCase, None removes one.
    shown: fields and conditions of this kind alone that come from the cluster as it is.
    """

    error: ReconcileError | None
    outcome: Outcome | None
    digest: str | None
    readiness: Readiness | None
    restart: Restart | None
    drift: Told | None
    facts: dict[str, Any]
    shown: Shown = field(default_factory=Shown)


def next_status(
    metadata: Metadata, status: CommonStatus, result: PassResult, now: datetime
) -> dict[str, Any]:
    """The whole status as it should be, in the form of a manifest."""
    conditions = {condition.type: condition for condition in status.conditions}
    stamp = format_time(now)
    _set_ready(conditions, metadata.generation, result, stamp)
    _set_progress(conditions, metadata.generation, result.error, stamp)
    _set_restart_pending(conditions, metadata.generation, result.restart, stamp)
    _set_drifted(conditions, metadata.generation, result.drift, stamp)
    _set_shown(conditions, metadata.generation, result.shown, stamp)

    history = list(status.history)
    if result.outcome is not None and result.outcome.error is None:
        update = LastUpdate(
            time=stamp, duration_seconds=round(result.outcome.duration_s, 3), changes=result.outcome.changes
        )
        history = [update, *history][:HISTORY_LENGTH]
    common: dict[str, Any] = {
        "observedGeneration": metadata.generation,
        "phase": _phase(result),
        "conditions": [conditions[type_].manifest() for type_ in sorted(conditions)],
        "inputsDigest": result.digest,
        "lastUpdate": history[0].manifest() if history else None,
        "history": [update.manifest() for update in history],
    }
    return {
        name: value
        for name, value in {**common, **result.facts, **result.shown.fields}.items()
        if value is not None
    }


def _set_ready(conditions: dict[str, Condition], generation: int, result: PassResult, stamp: str) -> None:
    if result.readiness is not None:
        ready, reason, message = result.readiness.ready, result.readiness.reason, _dated(result.readiness)
    elif result.error is not None:
        ready, reason, message = False, result.error.reason, result.error.message
    else:
        return
    before = conditions.get("Ready")
    applied = generation if result.error is None else (before.observed_generation if before else None) or 0
    _set(conditions, "Ready", "True" if ready else "False", reason, message, applied, stamp)


def _dated(readiness: Readiness) -> str:
    """The message, and since when it is so."""
    message = shortened(one_line(readiness.message), _MAX_MESSAGE - 100)
    return f"{message.removesuffix('.')}. Since {readiness.since}." if readiness.since else message


def _set_progress(
    conditions: dict[str, Condition], generation: int, error: ReconcileError | None, stamp: str
) -> None:
    """Reconciling and Stalled: at most one of them is present, none when all is done."""
    for type_ in ("Reconciling", "Stalled"):
        if error is None or (type_ == "Stalled") != isinstance(error, Stalled):
            conditions.pop(type_, None)
            continue
        before = conditions.get(type_)
        if before is not None and before.reason != error.reason:
            del conditions[type_]
        _set(conditions, type_, "True", error.reason, error.message, generation, stamp)


def _set_restart_pending(
    conditions: dict[str, Condition], generation: int, restart: Restart | None, stamp: str
) -> None:
    if restart is None or restart.due:
        conditions.pop(reasons.RESTART_PENDING, None)
    else:
        message = restart.message
        _set(conditions, reasons.RESTART_PENDING, "True", "TemplateChanged", message, generation, stamp)


def _set_drifted(conditions: dict[str, Condition], generation: int, drift: Told | None, stamp: str) -> None:
    if drift is None:
        conditions.pop(reasons.DRIFTED, None)
    else:
        _set(conditions, reasons.DRIFTED, "True", drift.reason, drift.message, generation, stamp)


def _set_shown(conditions: dict[str, Condition], generation: int, shown: Shown, stamp: str) -> None:
    for type_, stated in shown.conditions.items():
        if stated is None:
            conditions.pop(type_, None)
        else:
            _set(conditions, type_, stated.status, stated.reason, stated.message, generation, stamp)


def _set(
    conditions: dict[str, Condition],
    type_: str,
    status: str,
    reason: str,
    message: str,
    generation: int,
    stamp: str,
) -> None:
    before = conditions.get(type_)
    since = before.last_transition_time if before is not None and before.status == status else stamp
    conditions[type_] = Condition.model_validate(
        {
            "type": type_,
            "status": status,
            "reason": reason,
            # It may repeat what users, registries and kubelets say.
            "message": shortened(one_line(message), _MAX_MESSAGE),
            "observedGeneration": generation,
            "lastTransitionTime": since,
        }
    )


def _phase(result: PassResult) -> str:
    if isinstance(result.error, Stalled):
        return "Stalled"
    if result.readiness is not None:
        return result.readiness.phase
    return "Waiting"


def transitions(before: Sequence[Condition], after: Sequence[Condition]) -> list[Condition]:
    """Conditions whose status or reason changed: those that an Event tells of."""
    known = {(condition.type, condition.status, condition.reason) for condition in before}
    return [item for item in after if (item.type, item.status, item.reason) not in known]
