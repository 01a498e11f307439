"""The next status of a resource. Pure. Only a few methods change conditions.

Ready         whether the resource works, according to the cluster. Its observedGeneration is that of the last applied
              spec. So `kubectl wait --for=condition=Ready` does not mistake an earlier spec's readiness for this one's.
Reconciling   the operator still works on it, or waits for another object
Stalled       the user must change the spec

lastTransitionTime changes with the condition's status, as everywhere in Kubernetes. The message of Ready also says
since when it is true. Reconciling and Stalled are present only while they are true. If their reason changes, they count
as new conditions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from crds import Condition, LastUpdate
from crds.base import CommonStatus
from crds.times import format_time
from reconciler.status import reasons
from reconciler.status.conditions import READY, ConditionState, Readiness, StatusPatch
from reconciler.status.errors import ReconcileError, StalledError
from reconciler.text import one_line, shortened

HISTORY_LENGTH = 10
_MAX_MESSAGE = 2000
# Leaves room for the time that is appended to the message.
_MAX_UNDATED_MESSAGE = _MAX_MESSAGE - 100


@dataclass(frozen=True)
class PassResult:
    """How a pass ended.

    error: why the goal was not reached; None if it was.
    last_update: what the engine did; None if it did not run or failed.
    digest: of what is applied now; None if that is unknown.
    readiness: from the cluster; None if nothing was ever applied.
    drift: the condition about drift that is not repaired; None if there is none.
    fields: status fields of this kind alone, camelCase; None removes one.
    patch: the kind's part of the status, from the cache. Its fields win over `fields`.
    """

    error: ReconcileError | None
    last_update: LastUpdate | None
    digest: str | None
    readiness: Readiness | None
    drift: ConditionState | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    patch: StatusPatch = field(default_factory=StatusPatch)


def next_status(generation: int, status: CommonStatus, result: PassResult, now: datetime) -> dict[str, Any]:
    """The whole new status, in the form of a manifest. generation: of the resource."""
    conditions = _Conditions(generation, status.conditions, now)
    conditions.set_ready(result)
    conditions.set_progress(result.error)
    conditions.set_all({reasons.DRIFTED: result.drift, **result.patch.conditions})

    history = list(status.history)
    if result.last_update is not None:
        history = [result.last_update, *history][:HISTORY_LENGTH]
    common: dict[str, Any] = {
        "observedGeneration": generation,
        "phase": _phase(result),
        "conditions": conditions.manifests(),
        "inputsDigest": result.digest,
        "lastUpdate": history[0].manifest() if history else None,
        "history": [update.manifest() for update in history],
    }
    fields = {**common, **result.fields, **result.patch.fields}
    return {name: value for name, value in fields.items() if value is not None}


class _Conditions:
    """The conditions of a resource, by type. generation: the resource's present generation."""

    def __init__(self, generation: int, before: Sequence[Condition], now: datetime) -> None:
        self._generation = generation
        self._stamp = format_time(now)
        self._by_type = {condition.type: condition for condition in before}

    def set_ready(self, result: PassResult) -> None:
        """Set Ready from the readiness, otherwise from the error. Without both it stays."""
        if result.readiness is not None:
            state = _dated(result.readiness.condition)
        elif result.error is not None:
            state = ConditionState(READY, "False", result.error.reason, result.error.message)
        else:
            return
        before = self._by_type.get(READY)
        applied = (
            self._generation if result.error is None else (before.observed_generation if before else None)
        )
        self._set(state, applied or 0)

    def set_progress(self, error: ReconcileError | None) -> None:
        """Set Reconciling or Stalled for an error and remove the other one. Without an error remove both."""
        for type_ in ("Reconciling", "Stalled"):
            if error is None or (type_ == "Stalled") != isinstance(error, StalledError):
                self._by_type.pop(type_, None)
                continue
            before = self._by_type.get(type_)
            if before is not None and before.reason != error.reason:
                del self._by_type[type_]
            self._set(ConditionState(type_, "True", error.reason, error.message), self._generation)

    def set_all(self, states: Mapping[str, ConditionState | None]) -> None:
        """Set conditions by type; None removes one."""
        for type_, state in states.items():
            if state is None:
                self._by_type.pop(type_, None)
            else:
                self._set(state, self._generation)

    def manifests(self) -> list[dict[str, Any]]:
        """All of them, in the form of a manifest."""
        return [self._by_type[type_].manifest() for type_ in sorted(self._by_type)]

    def _set(self, state: ConditionState, generation: int) -> None:
        before = self._by_type.get(state.type)
        is_same = before is not None and before.status == state.status
        self._by_type[state.type] = Condition.model_validate(
            {
                "type": state.type,
                "status": state.status,
                "reason": state.reason,
                # The message may contain text from users, registries and kubelets.
                "message": shortened(one_line(state.message), _MAX_MESSAGE),
                "observedGeneration": generation,
                "lastTransitionTime": before.last_transition_time if before and is_same else self._stamp,
            }
        )


def _dated(state: ConditionState) -> ConditionState:
    """The condition with `since` appended to its message, if it has one."""
    message = shortened(one_line(state.message), _MAX_UNDATED_MESSAGE)
    if state.since:
        message = f"{message.removesuffix('.')}. Since {state.since}."
    return replace(state, message=message)


def _phase(result: PassResult) -> str:
    if isinstance(result.error, StalledError):
        return "Stalled"
    if result.readiness is not None:
        return result.readiness.phase
    return "Waiting"


def transitions(before: Sequence[Condition], after: Sequence[Condition]) -> list[Condition]:
    """Conditions whose status or reason changed. Each of them gets an Event."""
    known = {(condition.type, condition.status, condition.reason) for condition in before}
    return [item for item in after if (item.type, item.status, item.reason) not in known]
