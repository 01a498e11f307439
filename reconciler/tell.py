"""The end of a pass: the pod is restarted if that is due, the status is written, Events say what is new."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from crds import DevServer
from crds.base import CommonStatus, Condition, Metadata
from reconciler import expiry, metrics, reasons
from reconciler.act import Actor
from reconciler.decide import Action, Observed, Up
from reconciler.drift import told
from reconciler.errors import ReconcileError
from reconciler.expiry import created_at, fate_of_home
from reconciler.gather import owner_of
from reconciler.kinds import identity, pod_of
from reconciler.readiness import Readiness
from reconciler.status import PassResult, next_status, transitions
from reconciler.subject import Done, Subject

_LEFT_DRIFT: dict[str, metrics.DriftResult] = {
    reasons.DRIFT_OBSERVED: "observed",
    reasons.DRIFT_CONTESTED: "contested",
}
# Names as they stand in a manifest.
_COMMON_FIELDS = {field.alias for field in CommonStatus.model_fields.values()}


async def tell(
    actor: Actor, subject: Subject, observed: Observed, action: Action, done: Done, now: datetime
) -> None:
    """Restart the pod if that is due, then write the status and its Events, if anything changed."""
    model = subject.model
    if isinstance(model, ReconcileError):
        metadata, status = Metadata.model_validate(subject.resource["metadata"]), CommonStatus()
        readiness = restart = None
    else:
        metadata, status = identity(model)
        owner = owner_of(subject.key, subject.resource)
        was_applied = observed.state is not None or (done.outcome is not None and done.error is None)
        readiness = subject.kind.readiness(actor.world, owner) if was_applied else None
        restart = subject.kind.restart(actor.world, model)
        pod = pod_of(actor.world, owner)
        if restart is not None and restart.due and pod is not None and not observed.deleting:
            await actor.restart(pod)
            await actor.recorder.record(subject.resource, "Normal", reasons.RESTARTED, restart.message)
        if pod is None and not observed.deleting:
            await actor.hasten_pod(owner)
    objection = subject.objection if done.error is None else None
    if objection is not None:
        readiness = Readiness(False, objection.reason, objection.message, "Stalled")
    repaired = is_repair(action, done)
    shown = subject.kind.shows(actor.world, subject.key, subject.resource)
    if isinstance(model, DevServer):
        created, ends = created_at(subject.resource), observed.expires_at
        ttl = expiry.time_to_live(model, actor.settings.default_time_to_live_s)
        times = {
            reasons.EXPIRING: expiry.warning(created, ends, fate_of_home(model), now),
            reasons.EXPIRY_LIMITED: expiry.limited(created, ttl, ends),
        }
        shown = replace(shown, conditions={**shown.conditions, **times})
    result = PassResult(
        error=done.error or objection,
        outcome=done.outcome if isinstance(action, Up) else None,
        digest=_applied(action, done.error, subject.digest, status.inputs_digest),
        readiness=readiness,
        restart=restart,
        drift=None if repaired else told(observed.drifts, observed.drift_policy, observed.contested_until),
        facts=_facts(subject, done.facts),
        shown=shown,
    )
    if repaired and observed.drifts:
        metrics.drift(subject.key.kind, "repaired")
        note = "; ".join(map(str, observed.drifts))
        await actor.recorder.record(subject.resource, "Normal", reasons.DRIFT_REPAIRED, f"Repaired: {note}.")
    following = next_status(metadata, status, result, now)
    if following == subject.resource.get("status"):
        return
    await actor.write_status(subject.kind, subject.id, following)
    after = CommonStatus.model_validate(following).conditions
    await _record(actor, subject, result, transitions(status.conditions, after))


async def _record(actor: Actor, subject: Subject, result: PassResult, news: Iterable[Condition]) -> None:
    """Events of the conditions that are new."""
    fails = result.readiness is not None and result.readiness.phase == "Failing"
    for condition in news:
        if condition.reason in _LEFT_DRIFT:
            metrics.drift(subject.key.kind, _LEFT_DRIFT[condition.reason])
        stated = result.shown.conditions.get(condition.type)
        warns = condition.type == "Stalled" or (stated is not None and stated.warns)
        warns = warns or (condition.type == "Ready" and fails)
        type_: Literal["Normal", "Warning"] = "Warning" if warns else "Normal"
        await actor.recorder.record(subject.resource, type_, condition.reason, condition.message)


def is_repair(action: Action, done: Done) -> bool:
    """Whether drift was put back just now."""
    return isinstance(action, Up) and action.refresh and done.error is None


def _facts(subject: Subject, found: dict[str, Any]) -> dict[str, Any]:
    """The status fields of the kind alone: as they were, as the inputs say, as the action found."""
    status = subject.resource.get("status", {})
    kept = {name: value for name, value in status.items() if name not in _COMMON_FIELDS}
    gathered = {} if isinstance(subject.inputs, ReconcileError) else subject.kind.facts(subject.inputs)
    return {**kept, **gathered, **found}


def _applied(
    action: Action, error: ReconcileError | None, digest: str | ReconcileError, before: str | None
) -> str | None:
    """Digest of the inputs that the children show now; None after a failed run, which may be half done."""
    if not isinstance(action, Up):
        return before
    return digest if error is None and isinstance(digest, str) else None
