"""What to do next for a resource. Pure: a table of tests.

dead state under the name ──────────────▶ Destroy (of the dead life), first of all
no such resource ───────────────────────▶ Nothing
being deleted ──────────────────────────▶ Destroy, while our finalizer is on it
time is up ─────────────────────────────▶ Expire
failed lately, same inputs ─────────────▶ Wait until the retry is due
inputs cannot be gathered ──────────────▶ Wait for whoever must act
its last run was cut short ─────────────▶ Up with refresh
inputs changed, or no state ────────────▶ Up
others deleted or changed a child ──────▶ Up with refresh, if drift is to be repaired
otherwise ──────────────────────────────▶ Nothing
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reconciler.drift import Drift
from reconciler.errors import ReconcileError
from reconciler.state import StackId, StateRecord

# The digest that stands for a deletion, to tell its failures from those of a run.
DELETION = "deletion"


@dataclass(frozen=True)
class Failure:
    """The last try of this process, if it failed.

    digest: of what was to be declared. is_due: whether it is time for the next try.
    """

    digest: str
    error: ReconcileError
    is_due: bool


@dataclass(frozen=True)
class Observed:
    """What is known of a resource when a pass begins.

    id: the resource's stack; None if there is no such resource (any more).
    state, dead_states: of this life and of earlier ones under the same name.
    edited: the user has changed the spec since a pass last told of it.
    applied_digest: of what the last successful run declared.
    drifts: what others did to the children.
    drift_policy, contested_until: whether that is to be put back, and until when the operator gives way in a fight.
    """

    id: StackId | None
    deleting: bool = False
    has_finalizer: bool = False
    expires_at: datetime | None = None
    edited: bool = False
    applied_digest: str | None = None
    state: StateRecord | None = None
    dead_states: tuple[StateRecord, ...] = ()
    drifts: tuple[Drift, ...] = ()
    drift_policy: Literal["Repair", "Observe"] = "Repair"
    contested_until: datetime | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Up:
    """Run the program. why: for the log."""

    why: str
    refresh: bool = False


@dataclass(frozen=True)
class Destroy:
    """Destroy the stack; `finish` drops the finalizer afterwards."""

    id: StackId
    finish: bool


@dataclass(frozen=True)
class Expire:
    """Delete the custom resource, if its time is still up when looked at anew."""


@dataclass(frozen=True)
class Wait:
    """Do nothing and say why."""

    error: ReconcileError


@dataclass(frozen=True)
class Nothing:
    """All is as it should be."""


Action = Up | Destroy | Expire | Wait | Nothing


def decide(digest: str | ReconcileError, observed: Observed, now: datetime) -> Action:
    """The next action. digest: of what the inputs declare, or why they could not be gathered."""
    if observed.dead_states:
        return _unless_backing_off(Destroy(observed.dead_states[0].id, finish=False), DELETION, observed)
    if observed.id is None:
        return Nothing()
    if observed.deleting:
        if not observed.has_finalizer:
            return Nothing()
        return _unless_backing_off(Destroy(observed.id, finish=True), DELETION, observed)
    if observed.expires_at is not None and now >= observed.expires_at:
        return _unless_backing_off(Expire(), DELETION, observed)
    if isinstance(digest, ReconcileError):
        return Wait(digest)
    return _unless_backing_off(_run(digest, observed), digest, observed)


def takes_a_run(action: Action) -> bool:
    """Whether the action is one for the engine."""
    return isinstance(action, (Up, Destroy))


def is_urgent(action: Action, observed: Observed) -> bool:
    """Whether someone waits for it: creates, edits, deletions and repairs go before what an upgrade brings."""
    return isinstance(action, Destroy) or (isinstance(action, Up) and (observed.edited or action.refresh))


def _unless_backing_off(action: Action, digest: str, observed: Observed) -> Action:
    """The action, or Wait while a try with the same inputs failed and its retry is not due yet."""
    failure = observed.failure
    if failure is not None and failure.digest == digest and not failure.is_due:
        return Wait(failure.error)
    return action


def _run(digest: str, observed: Observed) -> Action:
    if observed.state is not None and observed.state.claimed:
        # Even where the inputs are those of the last finished run: the spec may have been changed and changed back.
        return Up("its last run was cut short", refresh=True)
    if observed.applied_digest != digest:
        return Up("inputs changed" if observed.applied_digest else "new")
    if observed.state is None or observed.state.children is None:
        return Up("its state is lost", refresh=True)
    if observed.drifts and observed.drift_policy == "Repair" and observed.contested_until is None:
        return Up(f"drift: {'; '.join(map(str, observed.drifts))}", refresh=True)
    return Nothing()
