"""The table of decisions, in the order of the docstring of reconciler/controller/decide.py."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.controller.decide import (
    DELETION,
    Action,
    Destroy,
    Expire,
    Failure,
    Nothing,
    Observed,
    Up,
    Wait,
    decide,
    is_urgent,
)
from reconciler.controller.desired import Goal
from reconciler.controller.drift import Drift
from reconciler.state.index import StateRecord
from reconciler.status.errors import (
    EngineFailedError,
    ReconcileError,
    StalledError,
    TransientError,
    WaitingError,
)
from stacks.devserver.program import DevServerChildren
from tests.builders import devserver, owner, stack_id

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SOON, JUST_NOW = NOW + timedelta(seconds=30), NOW - timedelta(seconds=30)
ID, DEAD = stack_id(), replace(stack_id(), uid="uid-of-an-earlier-life")
CHILD = DevServerChildren.of(owner()).sshd
GONE_CHILD = Drift(CHILD)
STATE = StateRecord(ID, frozenset({CHILD}))
DEAD_STATE = StateRecord(DEAD, frozenset({CHILD}))
ERROR = EngineFailedError("RunFailed", "no")
NO_FLAVOR = WaitingError("FlavorNotFound", "no such flavor")
BAD_KEY = StalledError("InvalidPublicKey", "no key")

APPLIED = Observed(id=ID, has_finalizer=True, applied_digest="d", state=STATE)
GONE = Observed(id=None)


def failed(digest: str, retry_at: datetime) -> Failure:
    return Failure(digest, ERROR, is_due=retry_at <= NOW)


def goal_of(digest: str) -> Goal:
    return Goal(devserver(), None, None, digest)


def up(why: str, refresh: bool = False) -> Up:
    """A run, of any goal."""
    return Up(ID, goal_of(""), why, refresh)


def deleting(**changes: object) -> Observed:
    return replace(APPLIED, deleting=True, **changes)  # type: ignore[arg-type]


CASES: dict[str, tuple[Observed, str | ReconcileError, Action]] = {
    # dead state under the name
    "a dead state is destroyed before all else": (
        replace(APPLIED, dead_states=(DEAD_STATE,)),
        "other",
        Destroy(DEAD, finish=False),
    ),
    "a dead state is destroyed when the resource is gone": (
        replace(GONE, dead_states=(DEAD_STATE,)),
        "",
        Destroy(DEAD, finish=False),
    ),
    "a dead state goes before the deletion of the present life": (
        deleting(dead_states=(DEAD_STATE,)),
        "d",
        Destroy(DEAD, finish=False),
    ),
    "a dead state goes before the end of time": (
        replace(APPLIED, dead_states=(DEAD_STATE,), expires_at=JUST_NOW),
        "d",
        Destroy(DEAD, finish=False),
    ),
    "a dead state is destroyed though the spec is wrong": (
        replace(APPLIED, dead_states=(DEAD_STATE,)),
        BAD_KEY,
        Destroy(DEAD, finish=False),
    ),
    "a dead state whose destroy failed waits": (
        replace(GONE, dead_states=(DEAD_STATE,), failure=failed(DELETION, SOON)),
        "",
        Wait(ERROR),
    ),
    # no such resource
    "what is gone needs nothing": (GONE, "", Nothing()),
    # being deleted
    "a deleted resource is destroyed": (deleting(), "d", Destroy(ID, finish=True)),
    "a deleted resource is destroyed though its spec is wrong": (
        deleting(),
        BAD_KEY,
        Destroy(ID, finish=True),
    ),
    "a deleted resource is destroyed though its flavor is gone": (
        deleting(),
        NO_FLAVOR,
        Destroy(ID, finish=True),
    ),
    "a deleted resource without state is destroyed too": (
        deleting(state=None),
        "d",
        Destroy(ID, finish=True),
    ),
    "a deleted resource does not expire": (deleting(expires_at=JUST_NOW), "d", Destroy(ID, finish=True)),
    "without our finalizer the rest is not ours to do": (deleting(has_finalizer=False), "d", Nothing()),
    "a destroy that failed waits": (deleting(failure=failed(DELETION, SOON)), "d", Wait(ERROR)),
    "a destroy that failed is tried again when it is due": (
        deleting(failure=failed(DELETION, NOW)),
        "d",
        Destroy(ID, finish=True),
    ),
    "a run that failed does not hold up the destroy": (
        deleting(failure=failed("d", SOON)),
        "d",
        Destroy(ID, finish=True),
    ),
    "a destroy is told what the spec retains, and whether there must be a state": (
        deleting(retains=True, was_applied=True),
        "d",
        Destroy(ID, finish=True, retain=True, was_applied=True),
    ),
    "a dead life has no spec that could retain anything": (
        deleting(retains=True, was_applied=True, dead_states=(DEAD_STATE,)),
        "d",
        Destroy(DEAD),
    ),
    # time is up
    "time is up": (replace(APPLIED, expires_at=JUST_NOW), "d", Expire(ID)),
    "time is up to the second": (replace(APPLIED, expires_at=NOW), "d", Expire(ID)),
    "time is not up": (replace(APPLIED, expires_at=SOON), "d", Nothing()),
    "time is up though the inputs changed": (replace(APPLIED, expires_at=JUST_NOW), "other", Expire(ID)),
    "time is up though the flavor is gone": (replace(APPLIED, expires_at=JUST_NOW), NO_FLAVOR, Expire(ID)),
    "time is up though a child is gone": (
        replace(APPLIED, expires_at=JUST_NOW, drifts=(GONE_CHILD,)),
        "d",
        Expire(ID),
    ),
    "time is up before anything was made": (Observed(id=ID, expires_at=JUST_NOW), "d", Expire(ID)),
    "an expiry that failed waits": (
        replace(APPLIED, expires_at=JUST_NOW, failure=failed(DELETION, SOON)),
        "d",
        Wait(ERROR),
    ),
    # failed lately, same inputs
    "a failed run waits for its retry": (replace(APPLIED, failure=failed("new", SOON)), "new", Wait(ERROR)),
    "a failed run is tried again when it is due": (
        replace(APPLIED, failure=failed("new", NOW)),
        "new",
        up("inputs changed"),
    ),
    "changed inputs do not wait for the retry of others": (
        replace(APPLIED, failure=failed("new", SOON)),
        "newer",
        up("inputs changed"),
    ),
    "a failed first run waits": (Observed(id=ID, failure=failed("d", SOON)), "d", Wait(ERROR)),
    "a child that is gone waits too": (
        replace(APPLIED, drifts=(GONE_CHILD,), failure=failed("d", SOON)),
        "d",
        Wait(ERROR),
    ),
    # inputs cannot be gathered
    "a missing flavor is waited for": (APPLIED, NO_FLAVOR, Wait(NO_FLAVOR)),
    "a wrong spec is waited for": (Observed(id=ID), BAD_KEY, Wait(BAD_KEY)),
    "a wrong spec is told of though a run failed": (
        replace(APPLIED, failure=failed("d", SOON)),
        BAD_KEY,
        Wait(BAD_KEY),
    ),
    # its last run was cut short
    "a run that was cut short is done again, even if its spec was taken back since": (
        replace(APPLIED, state=replace(STATE, claimed=True)),
        "d",
        up("its last run was cut short", refresh=True),
    ),
    "a first run that was cut short is done again": (
        Observed(id=ID, state=StateRecord(ID, None, claimed=True)),
        "d",
        up("its last run was cut short", refresh=True),
    ),
    "a run that was killed for its deadline waits for its retry": (
        replace(APPLIED, state=replace(STATE, claimed=True), failure=failed("d", SOON)),
        "d",
        Wait(ERROR),
    ),
    # inputs changed, or no state
    "what is new is made": (Observed(id=ID), "d", up("new")),
    "what changed is applied": (APPLIED, "other", up("inputs changed")),
    "what changed is applied without a refresh though a child is gone": (
        replace(APPLIED, drifts=(GONE_CHILD,)),
        "other",
        up("inputs changed"),
    ),
    "a lost state is made anew by adoption": (
        replace(APPLIED, state=None),
        "d",
        up("its state is lost", refresh=True),
    ),
    "a state that cannot be read is lost": (
        replace(APPLIED, state=StateRecord(ID, None)),
        "d",
        up("its state is lost", refresh=True),
    ),
    # a recorded child is gone
    "a child that is gone comes back": (
        replace(APPLIED, drifts=(GONE_CHILD,)),
        "d",
        up("drift: ConfigMap box-sshd was deleted", refresh=True),
    ),
    "a changed field is put back": (
        replace(APPLIED, drifts=(Drift(CHILD, ("data.motd",)),)),
        "d",
        up("drift: ConfigMap box-sshd was changed (data.motd)", refresh=True),
    ),
    "drift is left where it is only to be observed": (
        replace(APPLIED, drifts=(GONE_CHILD,), drift_policy="Observe"),
        "d",
        Nothing(),
    ),
    "drift is left while someone else insists on it": (
        replace(APPLIED, drifts=(GONE_CHILD,), contested_until=SOON),
        "d",
        Nothing(),
    ),
    "an edit is applied whether or not drift is repaired": (
        replace(APPLIED, drifts=(GONE_CHILD,), drift_policy="Observe"),
        "other",
        up("inputs changed"),
    ),
    # otherwise
    "what is applied needs nothing": (APPLIED, "d", Nothing()),
    "a stack without children needs nothing": (
        replace(APPLIED, state=StateRecord(ID, frozenset())),
        "d",
        Nothing(),
    ),
    "a failure of other inputs is forgotten": (replace(APPLIED, failure=failed("old", SOON)), "d", Nothing()),
}


@pytest.mark.parametrize(("observed", "digest", "action"), CASES.values(), ids=CASES.keys())
def test_decide(observed: Observed, digest: str | ReconcileError, action: Action) -> None:
    """digest: of the goal, empty if there is no resource; or why there is no goal."""
    goal = digest if isinstance(digest, ReconcileError) else goal_of(digest) if digest else None
    expected = replace(action, goal=goal) if isinstance(action, Up) else action
    assert decide(goal, observed, NOW) == expected


def test_waiting_tells_the_error_that_is_waited_out() -> None:
    error = TransientError("ClusterError", "the API server is away")
    observed = replace(APPLIED, failure=Failure("new", error, is_due=False))
    action = decide(goal_of("new"), observed, NOW)
    assert isinstance(action, Wait)
    assert action.error is error


URGENCY: dict[str, tuple[Action, Observed, bool]] = {
    "a new resource": (up("new"), Observed(id=ID, edited=True), True),
    "an edited one": (up("inputs changed"), replace(APPLIED, edited=True), True),
    "one that a flavor or an upgrade changed": (up("inputs changed"), APPLIED, False),
    "a retry": (up("new"), Observed(id=ID), False),
    "a repair": (up("drift: ConfigMap box-sshd was deleted", refresh=True), APPLIED, True),
    "a deletion": (Destroy(ID, finish=True), deleting(), True),
    "nothing": (Nothing(), APPLIED, False),
}


@pytest.mark.parametrize(("action", "observed", "urgent"), URGENCY.values(), ids=URGENCY.keys())
def test_what_someone_waits_for_goes_first(action: Action, observed: Observed, urgent: bool) -> None:
    assert is_urgent(action, observed) is urgent
