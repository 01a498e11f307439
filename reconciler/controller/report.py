"""The end of a pass: do the kind's work beside runs, write the status, record Events about what is new."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from crds import LastUpdate
from crds.base import CommonStatus, Condition
from crds.times import format_time
from reconciler.controller import metrics
from reconciler.controller.actions import Actions
from reconciler.controller.decide import Action, Observed, Up
from reconciler.controller.desired import Desired, Goal
from reconciler.controller.drift import drift_condition
from reconciler.engine.outcome import Outcome
from reconciler.kube.client import JSON_PATCH
from reconciler.kube.objects import Object, owner_of
from reconciler.status import reasons
from reconciler.status.conditions import READY, Readiness, not_ready
from reconciler.status.errors import ReconcileError, StalledError
from reconciler.status.next_status import PassResult, next_status, transitions

_LEFT_DRIFT: dict[str, metrics.DriftResult] = {
    reasons.DRIFT_OBSERVED: "observed",
    reasons.DRIFT_CONTESTED: "contested",
}
# The names as manifests spell them.
_COMMON_FIELDS = {field.alias for field in CommonStatus.model_fields.values()}


@dataclass(frozen=True)
class Result:
    """How an action went. outcome: what the engine did. fields: status fields that only the action could find."""

    error: ReconcileError | None = None
    outcome: Outcome | None = None
    fields: dict[str, Any] = field(default_factory=dict)


async def report(
    actions: Actions, desired: Desired, observed: Observed, action: Action, result: Result, now: datetime
) -> datetime | None:
    """Tend the resource. Then write the status and record its Events, if anything changed.

    Returns when the status changes next by time alone; None if never.
    """
    kind, resource = desired.kind, desired.resource
    model = None if isinstance(desired.model, ReconcileError) else desired.model
    status = CommonStatus() if model is None else model.status
    rejected = desired.goal.rejected if isinstance(desired.goal, Goal) and result.error is None else None
    # Before the resource is tended: what that changes shows in the next pass.
    readiness = _readiness(desired, observed, result, rejected)
    if model is not None and not observed.deleting:
        await kind.tend(resource, model, actions.client, actions.recorder)
    repaired = is_repair(action, result)
    patch = kind.conditions(resource, model, observed.expires_at, now)
    passed = PassResult(
        error=result.error or rejected,
        last_update=_last_update(action, result, now),
        digest=_applied(action, result.error, None if model is None else observed.applied_digest),
        readiness=readiness,
        drift=None
        if repaired
        else drift_condition(observed.drifts, observed.drift_policy, observed.contested_until),
        fields=_fields(desired, result.fields),
        patch=patch,
    )
    if repaired and observed.drifts:
        metrics.drift(kind.resource.kind, "repaired")
        note = "; ".join(map(str, observed.drifts))
        await actions.recorder.record(resource, "Normal", reasons.DRIFT_REPAIRED, f"Repaired: {note}.")
    following = next_status(resource["metadata"].get("generation", 0), status, passed, now)
    if following != resource.get("status"):
        await _write(actions, desired, following)
        after = CommonStatus.model_validate(following).conditions
        await _record(actions, desired, passed, transitions(status.conditions, after))
    return patch.until


def is_repair(action: Action, result: Result) -> bool:
    """Whether the action has just repaired drift."""
    return isinstance(action, Up) and action.refresh and result.error is None


async def _write(actions: Actions, desired: Desired, status: dict[str, Any]) -> None:
    """Replace the resource's status, if the uid is still the same."""
    body: list[Object] = [
        {"op": "test", "path": "/metadata/uid", "value": desired.id.uid},
        {"op": "add", "path": "/status", "value": status},
    ]
    key, resource = desired.id.key, desired.kind.resource
    answer = await actions.client.patch(
        resource, key.namespace, key.name, body, "status", content_type=JSON_PATCH
    )
    actions.apply_write(resource, answer)


async def _record(actions: Actions, desired: Desired, passed: PassResult, news: Iterable[Condition]) -> None:
    """Record an Event for each condition that is new."""
    states = {READY: passed.readiness.condition if passed.readiness else None, **passed.patch.conditions}
    for condition in news:
        if condition.reason in _LEFT_DRIFT:
            metrics.drift(desired.kind.resource.kind, _LEFT_DRIFT[condition.reason])
        state = states.get(condition.type)
        warns = condition.type == "Stalled" or (state is not None and state.warns)
        type_: Literal["Normal", "Warning"] = "Warning" if warns else "Normal"
        await actions.recorder.record(desired.resource, type_, condition.reason, condition.message)


def _readiness(
    desired: Desired, observed: Observed, result: Result, rejected: StalledError | None
) -> Readiness | None:
    """The readiness from the cache; None if nothing was ever applied or the spec cannot be read."""
    if rejected is not None:
        return not_ready(rejected.reason, rejected.message, "Stalled")
    was_applied = observed.state is not None or (result.outcome is not None and result.error is None)
    if isinstance(desired.model, ReconcileError) or not was_applied:
        return None
    return desired.kind.readiness(owner_of(desired.resource))


def _last_update(action: Action, result: Result, now: datetime) -> LastUpdate | None:
    """What the engine did, if the action was an update and succeeded."""
    outcome = result.outcome
    if not isinstance(action, Up) or outcome is None or outcome.error is not None:
        return None
    return LastUpdate(
        time=format_time(now), duration_seconds=round(outcome.duration_s, 3), changes=outcome.changes
    )


def _fields(desired: Desired, found: dict[str, Any]) -> dict[str, Any]:
    """The status fields of this kind alone: the old ones, updated from the inputs, then from the action."""
    status = desired.resource.get("status", {})
    kept = {name: value for name, value in status.items() if name not in _COMMON_FIELDS}
    given = desired.kind.fields(desired.goal.inputs) if isinstance(desired.goal, Goal) else {}
    return {**kept, **given, **found}


def _applied(action: Action, error: ReconcileError | None, before: str | None) -> str | None:
    """Digest of what is applied now; None after a failed run, which may have applied only a part."""
    if not isinstance(action, Up):
        return before
    return action.goal.digest if error is None else None
