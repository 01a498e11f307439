"""What to do next for a resource. Pure; the tests are a table.

state of an earlier life of the name ───▶ Destroy that one, before anything else
no such resource ───────────────────────▶ Nothing
being deleted ──────────────────────────▶ Destroy, while our finalizer is on it
expired ────────────────────────────────▶ Expire
same action failed, retry not due yet ──▶ Wait until the retry is due
no inputs ──────────────────────────────▶ Wait for whoever must act
its last run was cut short ─────────────▶ Up with refresh
inputs changed, or no state ────────────▶ Up
others deleted or changed a child ──────▶ Up with refresh, if drift is repaired
otherwise ──────────────────────────────▶ Nothing
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reconciler.controller.desired import Goal
from reconciler.controller.drift import Drift
from reconciler.state.index import StateRecord
from reconciler.state.store import StackId
from reconciler.status.errors import ReconcileError

# Stands in for a digest when a deletion fails, so that its failures differ from those of a run.
DELETION = "deletion"


@dataclass(frozen=True)
class Failure:
    """The failure of this process's last try.

    digest: of the program that was run. is_due: whether it is time for the next try.
    """

    digest: str
    error: ReconcileError
    is_due: bool


@dataclass(frozen=True)
class Observed:
    """What a pass knows about a resource when it begins.

    id: the resource's stack; None if the resource does not exist (any more).
    retains: whether the spec keeps retained children after a deletion; false if the spec cannot be read.
    was_applied: whether a run has succeeded for this uid.
    state: the state of this uid. dead_states: states of earlier uids under the same name.
    edited: whether the user has changed the spec since a pass last reported.
    applied_digest: of what the last successful run declared.
    drifts: what others did to the children.
    drift_policy: whether drift is repaired. contested_until: until when the operator leaves contested drift alone.
    """

    id: StackId | None
    deleting: bool = False
    has_finalizer: bool = False
    retains: bool = False
    was_applied: bool = False
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
    """Run the program of the goal. why: for the log."""

    id: StackId
    goal: Goal
    why: str
    refresh: bool = False


@dataclass(frozen=True)
class Destroy:
    """Destroy the stack.

    finish: drop the finalizer afterwards.
    retain: keep the retained children, whatever the state says.
    was_applied: a run has succeeded, so there must be a state.
    """

    id: StackId
    finish: bool = False
    retain: bool = False
    was_applied: bool = False


@dataclass(frozen=True)
class Expire:
    """Delete the custom resource, if a fresh read confirms that it has expired."""

    id: StackId


@dataclass(frozen=True)
class Wait:
    """Do nothing and report why."""

    error: ReconcileError


@dataclass(frozen=True)
class Nothing:
    """There is nothing to do."""


Action = Up | Destroy | Expire | Wait | Nothing


def decide(goal: Goal | ReconcileError | None, observed: Observed, now: datetime) -> Action:
    """The next action. goal: what the spec asks for, or why it cannot be applied; None if there is no resource."""
    if observed.dead_states:
        return _unless_backing_off(Destroy(observed.dead_states[0].id), DELETION, observed)
    if observed.id is None or goal is None:
        return Nothing()
    if observed.deleting:
        if not observed.has_finalizer:
            return Nothing()
        destroy = Destroy(observed.id, True, observed.retains, observed.was_applied)
        return _unless_backing_off(destroy, DELETION, observed)
    if observed.expires_at is not None and now >= observed.expires_at:
        return _unless_backing_off(Expire(observed.id), DELETION, observed)
    if isinstance(goal, ReconcileError):
        return Wait(goal)
    return _unless_backing_off(_run(observed.id, goal, observed), goal.digest, observed)


def takes_a_run(action: Action) -> bool:
    """Whether the action needs an engine run."""
    return isinstance(action, (Up, Destroy))


def is_urgent(action: Action, observed: Observed) -> bool:
    """Whether someone waits for it. Creates, edits, deletions and repairs go before runs that an upgrade causes."""
    return isinstance(action, Destroy) or (isinstance(action, Up) and (observed.edited or action.refresh))


def _unless_backing_off(action: Action, digest: str, observed: Observed) -> Action:
    """The action, or Wait if the last try with this digest failed and its retry is not due yet."""
    failure = observed.failure
    if failure is not None and failure.digest == digest and not failure.is_due:
        return Wait(failure.error)
    return action


def _run(id: StackId, goal: Goal, observed: Observed) -> Action:
    if observed.state is not None and observed.state.claimed:
        # Even if the inputs equal those of the last finished run: the spec may have been changed and changed back.
        return Up(id, goal, "its last run was cut short", refresh=True)
    if observed.applied_digest != goal.digest:
        return Up(id, goal, "inputs changed" if observed.applied_digest else "new")
    if observed.state is None or observed.state.children is None:
        return Up(id, goal, "its state is lost", refresh=True)
    if observed.drifts and observed.drift_policy == "Repair" and observed.contested_until is None:
        return Up(id, goal, f"drift: {'; '.join(map(str, observed.drifts))}", refresh=True)
    return Nothing()
