"""Carrying out what was decided: order, preconditions, and what is left alone."""

import base64
import gzip
import json
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from crds import DevServer
from crds.resources import CHILD_RESOURCES, DEVSERVER, SECRET, Resource
from crds.times import parse_time
from reconciler.controller.actions import Actions
from reconciler.controller.decide import Destroy, Expire, Up
from reconciler.controller.desired import Goal
from reconciler.controller.drift import Drift
from reconciler.controller.finalizers import FINALIZER
from reconciler.controller.metrics import CHILD_KINDS
from reconciler.engine.engine import Engine
from reconciler.engine.outcome import Outcome
from reconciler.kube.client import Client
from reconciler.kube.objects import Object
from reconciler.kube.recorder import Recorder
from reconciler.settings import Settings
from reconciler.state import checkpoint
from reconciler.state.alerts import StateAlerts
from reconciler.state.checkpoint import Recorded
from reconciler.state.encryption_keys import Keys
from reconciler.state.index import StateIndex, StateRecord
from reconciler.state.run_claim import Epoch, Term
from reconciler.state.store import StackId, StateStore, StoredState
from reconciler.status.errors import (
    EngineFailedError,
    EngineTimeoutError,
    ReconcileError,
    StalledError,
    TransientError,
)
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Child
from tests.builders import CREATED, TERM, child_object, devserver_inputs, kinds, owner, resource, stack_id
from tests.fake_client import FakeClient
from tests.metering import Growth
from tests.unit.state.test_checkpoint import entry, state
from tests.unit.state.test_diagnosis import UNUSABLE, damaged

ID = stack_id()
SERVICE = CHILD_RESOURCES["v1", "Service"]
NAMES = DevServerChildren.of(owner())
EARLIER = replace(owner(), uid="uid-of-an-earlier-life")
NOW = parse_time(CREATED)
EXPIRE = Expire(ID)
# Of a resource whose program ran once with success.
APPLIED = {"lastUpdate": {"time": CREATED, "durationSeconds": 1, "changes": {"create": 5}}}


@dataclass
class FakeEngine:
    """Answers every run with `outcome`; `ran`: each run and the children in the state that it was given."""

    outcome: Outcome = field(default_factory=lambda: Outcome(state(entry(NAMES.sshd)), {"create": 1}, 0.1))
    ran: list[tuple[str, frozenset[Child]]] = field(default_factory=list)

    async def up(
        self, stack: str, program: Any, before: bytes, keys: Keys, refresh: bool, cut_short: Any
    ) -> Outcome:
        self.ran.append(("up", checkpoint.children(before)))
        return self.outcome

    async def reveal(self, stack: str, before: bytes, keys: Keys) -> Object:
        return {"deployment": json.loads(before)["checkpoint"]["latest"]}

    async def destroy(self, stack: str, before: bytes, keys: Keys, cut_short: Any) -> Outcome:
        self.ran.append(("destroy", checkpoint.children(before)))
        return self.outcome


class Bench:
    """Actions on a fake cluster that holds a DevServer."""

    def __init__(self, *objects: Object, status: Object | None = None, **spec: Any) -> None:
        self.resource = resource("DevServer", status=status, **spec)
        self.client = FakeClient()
        self.client.put(self.resource, *objects)
        self.engine = FakeEngine()
        self.events: list[str] = []
        self.applied_writes: list[str] = []
        known = kinds(self.resource)
        recorder = cast(Recorder, SimpleNamespace(record=self.note_event))
        self.actions = Actions(
            client=cast(Client, self.client),
            engine=cast(Engine, self.engine),
            keys=Keys("passphrase", "salt"),
            states=StateStore(cast(Client, self.client), "devserver-system", "salt", lambda: TERM),
            cache=known.cache,
            kinds=known.by_name,
            settings=Settings(),
            recorder=recorder,
            alerts=StateAlerts(recorder, known.cache.resource),
            apply_write=self.apply_write,
            apply_state=lambda secret: self.apply_write(SECRET, secret),
        )

    def apply_write(self, resource: Resource, obj: Object) -> None:
        self.applied_writes.append(f"{resource.kind} {obj['metadata']['name']}")

    async def note_event(self, about: Object, type_: str, reason: str, note: str) -> None:
        self.events.append(reason)

    async def up(self) -> Outcome:
        model = DevServer.model_validate(self.resource)
        inputs = devserver_inputs(spec={"home": model.spec.home.manifest()} if model.spec.home else {})
        outcome, _ = await self.actions.up(Up(ID, Goal(model, inputs, None, "digest"), "new"))
        return outcome

    async def destroy(self, finish: bool = True, has_spec: bool = True) -> Outcome:
        """has_spec: the resource is there, and its spec can be read."""
        model = DevServer.model_validate(self.resource)
        retain = has_spec and self.actions.kinds["DevServer"].retains(model)
        was_applied = has_spec and model.status.last_update is not None
        return await self.actions.destroy(Destroy(ID, finish, retain, was_applied))

    async def have_state(self, *children: Child) -> None:
        """Store a state that records these children, of a resource that has had a run."""
        self.resource["metadata"].setdefault("finalizers", [FINALIZER])
        await self.actions.states.save(ID, state(*map(entry, children)), await self.actions.states.load(ID))
        self.client.requests.clear()

    async def claim(self, term: Term) -> None:
        """A run that began in that term, and has not ended."""
        self.resource["metadata"].setdefault("finalizers", [FINALIZER])
        store = replace(self.actions.states, term=lambda: term)
        await store.claim(ID, StoredState(b"", (await store.load(ID)).resource_version))

    @property
    def record(self) -> StateRecord:
        """What the watch shows of the stored state."""
        secret = self.client.find(SECRET, "devserver-system", ID.secret_name)
        assert secret is not None
        return StateIndex({"DevServer"}, "salt").record(secret)

    @property
    def live(self) -> Object | None:
        return self.client.find(DEVSERVER, "dev-ada", "box")

    @property
    def stored(self) -> frozenset[Child] | None:
        """The children in the stored state; None if there is none."""
        secret = self.client.find(SECRET, "devserver-system", ID.secret_name)
        return None if secret is None else checkpoint.children(checkpoint_of(secret))


def children_of_box() -> list[Child]:
    """Of a DevServer without a home."""
    return [NAMES.stateful_set, NAMES.headless, NAMES.ssh, NAMES.host_keys, NAMES.sshd]


def checkpoint_of(secret: Object) -> bytes:
    return gzip.decompress(base64.b64decode(secret["data"]["checkpoint.json.gz"]))


# --- up


async def test_the_finalizer_is_there_before_the_engine_runs() -> None:
    bench = Bench()
    seen: list[Any] = []

    async def up(*args: Any, **more: Any) -> Outcome:
        assert bench.live is not None
        seen.append(bench.live["metadata"].get("finalizers"))
        return bench.engine.outcome

    bench.engine.up = up  # type: ignore[method-assign]
    await bench.up()
    assert seen == [[FINALIZER]]


async def test_other_finalizers_are_kept() -> None:
    bench = Bench()
    bench.resource["metadata"]["finalizers"] = ["other/one"]
    await bench.up()
    assert bench.live is not None
    assert bench.live["metadata"]["finalizers"] == ["other/one", FINALIZER]


async def test_a_finalizer_that_is_there_is_not_written_again() -> None:
    bench = Bench()
    bench.resource["metadata"]["finalizers"] = [FINALIZER]
    await bench.up()
    assert bench.client.writes() == [f"CREATE Secret {ID.secret_name}", f"REPLACE Secret {ID.secret_name}"]


@pytest.mark.parametrize("change", ["gone", "another life", "being deleted"])
async def test_a_resource_that_was_deleted_meanwhile_gets_no_children(change: str) -> None:
    bench = Bench()
    if change == "gone":
        bench.client.objects.clear()
    elif change == "another life":
        bench.resource["metadata"]["uid"] = "another"
    else:
        bench.resource["metadata"]["deletionTimestamp"] = CREATED
    with pytest.raises(TransientError, match="was deleted meanwhile"):
        await bench.up()
    assert bench.engine.ran == []
    refused = ["PATCH DevServer box"] if change == "gone" else []
    assert bench.client.writes() == refused


async def test_a_first_run_asks_for_nothing_twice() -> None:
    bench = Bench()
    await bench.up()
    looks = sorted(f"GET {child.kind} {child.name}" for child in children_of_box())
    assert sorted(request for request in bench.client.requests if request.startswith("GET")) == looks
    assert bench.client.writes() == [
        "PATCH DevServer box",
        f"CREATE Secret {ID.secret_name}",
        f"REPLACE Secret {ID.secret_name}",
    ]


@pytest.mark.parametrize("finalizers", [[], [FINALIZER], ["other/one"]])
async def test_a_resource_that_changed_since_the_watch_showed_it_is_looked_at_anew(
    finalizers: list[str],
) -> None:
    bench = Bench()
    changed = deepcopy(bench.resource)
    changed["metadata"] |= {"resourceVersion": "77", "finalizers": finalizers}
    bench.client.put(changed)
    assert (await bench.up()).error is None
    assert bench.live is not None
    assert bench.live["metadata"]["finalizers"] == [*(f for f in finalizers if f != FINALIZER), FINALIZER]


async def test_a_state_of_a_resource_that_seemed_new_is_found_at_the_next_try() -> None:
    bench = Bench()
    await bench.have_state(NAMES.ssh)
    del bench.resource["metadata"]["finalizers"]  # by force
    with pytest.raises(TransientError) as error:
        await bench.up()
    assert error.value.reason == "StateConflict"
    assert bench.engine.ran == []
    await bench.up()
    assert bench.engine.ran[0][0] == "up"
    assert bench.stored == {NAMES.sshd}


async def test_the_state_after_a_run_is_stored_and_known_at_once() -> None:
    bench = Bench()
    await bench.up()
    assert bench.stored == {NAMES.sshd}
    assert f"Secret {ID.secret_name}" in bench.applied_writes


async def test_the_state_of_a_failed_run_is_stored_too() -> None:
    bench = Bench()
    error = EngineFailedError("RunFailed", "half way")
    bench.engine.outcome = replace(bench.engine.outcome, error=error)
    assert (await bench.up()).error is error
    assert bench.stored == {NAMES.sshd}


async def test_a_killed_run_leaves_the_state_before_it() -> None:
    bench = Bench()
    await bench.have_state(NAMES.ssh)
    bench.engine.outcome = Outcome(None, {}, 60.0, EngineTimeoutError("RunTimeout", "killed"))
    await bench.up()
    assert bench.stored == {NAMES.ssh}
    assert bench.record.claimed, "so that the next pass knows of it"


async def test_the_state_bears_our_claim_while_the_engine_runs_and_none_after() -> None:
    bench = Bench()
    seen: list[StateRecord] = []

    async def up(*args: Any, **more: Any) -> Outcome:
        seen.append(bench.record)
        return bench.engine.outcome

    bench.engine.up = up  # type: ignore[method-assign]
    await bench.up()
    assert seen == [StateRecord(ID, None, claimed=True)]
    assert bench.record == StateRecord(ID, frozenset({NAMES.sshd}))


@pytest.mark.parametrize("operation", ["up", "destroy"])
async def test_what_another_process_of_this_term_or_a_later_one_works_on_is_left_alone(
    operation: str,
) -> None:
    bench = Bench(child_object(NAMES.sshd))
    await bench.have_state(NAMES.sshd)
    await bench.claim(Term("another", TERM.epoch))
    with pytest.raises(TransientError, match="is claimed by another since") as error:
        await getattr(bench, operation)()
    assert error.value.reason == "StateConflict"
    assert bench.engine.ran == []
    assert bench.stored == {NAMES.sshd}


@pytest.mark.parametrize("claimant", [TERM, Term("another", Epoch(CREATED, TERM.epoch.transitions - 1))])
async def test_the_claim_of_a_dead_process_is_taken_over(claimant: Term) -> None:
    bench = Bench(child_object(NAMES.sshd))
    await bench.have_state(NAMES.sshd)
    await bench.claim(claimant)
    await bench.up()
    assert bench.engine.ran == [("up", frozenset({NAMES.sshd}))]
    assert not bench.record.claimed


async def test_a_claim_that_comes_between_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    await bench.have_state(NAMES.sshd)
    load = bench.actions.states.load

    async def load_and_be_too_late(store: StateStore, id: StackId) -> StoredState:
        found = await load(id)
        monkeypatch.undo()
        await bench.claim(Term("another", TERM.epoch))
        return found

    monkeypatch.setattr(StateStore, "load", load_and_be_too_late)
    with pytest.raises(TransientError, match="was changed by someone else"):
        await bench.up()
    assert bench.engine.ran == []


@pytest.mark.parametrize("name", ["sshd", "ssh", "headless", "stateful_set"])
async def test_a_foreign_object_under_a_childs_name_stops_the_run_before_it_starts(name: str) -> None:
    child = getattr(NAMES, name)
    foreign = child_object(child)
    foreign["metadata"]["labels"] = {}
    bench = Bench(foreign)
    with pytest.raises(StalledError) as error:
        await bench.up()
    assert error.value.reason == "NameConflict"
    assert f"{child.kind} dev-ada/{child.name}" in error.value.message
    assert bench.engine.ran == []


async def test_a_home_of_another_person_is_not_taken_up() -> None:
    bench = Bench(child_object(NAMES.home, person="eve@example.com"), home={"size": "1Gi"})
    with pytest.raises(StalledError, match="holds the data of someone else"):
        await bench.up()


async def test_a_home_of_the_same_person_is_taken_up_again() -> None:
    bench = Bench(child_object(NAMES.home, EARLIER), home={"size": "1Gi"})
    assert (await bench.up()).error is None


async def test_a_recorded_child_whose_name_someone_else_has_leaves_the_state_first() -> None:
    """Otherwise the engine, which goes by names, would delete or change it."""
    foreign = child_object(NAMES.home)
    foreign["metadata"]["labels"] = {}
    bench = Bench(foreign, child_object(NAMES.sshd))
    await bench.have_state(NAMES.sshd, NAMES.home)
    await bench.up()
    assert bench.engine.ran == [("up", frozenset({NAMES.sshd}))]


async def test_a_recorded_child_that_is_gone_leaves_the_state_first() -> None:
    """Otherwise the engine would change what is not there, and fail, whatever else the run is about."""
    bench = Bench(child_object(NAMES.sshd))
    await bench.have_state(NAMES.sshd, NAMES.stateful_set)
    await bench.up()
    assert bench.engine.ran == [("up", frozenset({NAMES.sshd}))]


@pytest.mark.parametrize(
    ("error", "stored"),
    [(EngineFailedError("RunFailed", "no"), {NAMES.sshd, NAMES.host_keys}), (None, {NAMES.sshd})],
    ids=["after a failed run", "after a run that succeeded"],
)
async def test_host_keys_are_not_forgotten_before_there_is_a_secret_again(
    error: ReconcileError | None, stored: set[Child]
) -> None:
    bench = Bench(child_object(NAMES.sshd))
    await bench.have_state(NAMES.sshd, NAMES.host_keys)
    bench.engine.outcome = replace(bench.engine.outcome, error=error)
    await bench.up()
    assert bench.stored == stored


async def test_a_left_over_of_an_earlier_life_is_adopted() -> None:
    bench = Bench(child_object(NAMES.sshd, EARLIER))
    await bench.have_state(NAMES.sshd)
    growth = Growth()
    assert (await bench.up()).error is None
    assert bench.engine.ran == [("up", frozenset())]
    assert growth("devserver_adoptions_total", kind="ConfigMap") == 1


async def test_what_a_run_made_that_died_counts_as_adopted_and_what_is_recorded_does_not() -> None:
    bench = Bench(child_object(NAMES.sshd), child_object(NAMES.ssh))
    await bench.have_state(NAMES.sshd)
    growth = Growth()
    await bench.up()
    assert growth("devserver_adoptions_total", kind="ConfigMap") == 0
    assert growth("devserver_adoptions_total", kind="Service") == 1


# --- states that cannot be used


async def spoil_state(bench: Bench, content: bytes | str | None) -> None:
    secret = bench.client.find(SECRET, "devserver-system", ID.secret_name)
    assert secret is not None
    bench.client.put(damaged(secret, content))


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_a_state_that_cannot_be_used_is_made_anew_by_one_run_and_told_of(
    content: bytes | str | None,
) -> None:
    bench = Bench(status=APPLIED)
    await bench.have_state(NAMES.sshd, NAMES.ssh)
    await spoil_state(bench, content)
    assert (await bench.up()).error is None
    assert bench.engine.ran == [("up", frozenset())]
    assert bench.stored == {NAMES.sshd}
    assert len(bench.events) == 1
    await bench.up()
    assert len(bench.events) == 1


async def test_a_state_secret_that_was_deleted_is_told_of() -> None:
    bench = Bench(status=APPLIED)
    await bench.up()
    assert bench.events == ["StateMissing"]


async def test_what_was_never_applied_misses_no_state() -> None:
    bench = Bench()
    await bench.up()
    assert bench.events == []


async def test_retries_of_a_rebuild_do_not_tell_of_the_damage_again() -> None:
    bench = Bench(status=APPLIED)
    await bench.have_state(NAMES.sshd)
    await spoil_state(bench, b"")
    growth = Growth()
    bench.engine.outcome = Outcome(None, {}, 60.0, EngineTimeoutError("RunTimeout", "killed"))
    for _ in range(3):
        await bench.up()
    assert bench.events == ["StateDamaged"]
    assert growth("devserver_state_problems_total", problem="damaged") == 1


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_a_destroy_without_a_usable_state_goes_by_the_uid_and_keeps_the_home(
    content: bytes | str | None, with_children: Bench
) -> None:
    bench = with_children
    foreign = child_object(NAMES.headless, EARLIER)
    bench.client.put(foreign)
    await bench.have_state(NAMES.sshd, NAMES.ssh, NAMES.home, NAMES.headless)
    await spoil_state(bench, content)
    assert (await bench.destroy()).error is None
    assert bench.engine.ran == []
    assert bench.stored is None
    assert bench.live is not None
    assert bench.live["metadata"]["finalizers"] == ["other/one"]
    left = {name for kind, _, name in bench.client.objects if kind != "DevServer"}
    assert left == {"box-home", NAMES.headless.name}


# --- destroy


@pytest.fixture
def with_children() -> Bench:
    """A DevServer with a finalizer and children."""
    bench = Bench(*(child_object(child) for child in (NAMES.sshd, NAMES.ssh, NAMES.home)))
    bench.resource["metadata"] |= {"finalizers": ["other/one", FINALIZER], "deletionTimestamp": CREATED}
    return bench


async def test_destroy_drops_state_and_finalizer_at_the_end(with_children: Bench) -> None:
    bench = with_children
    await bench.have_state(NAMES.sshd, NAMES.ssh)
    outcome = await bench.destroy()
    assert outcome.error is None
    assert bench.stored is None
    assert bench.live is not None
    assert bench.live["metadata"]["finalizers"] == ["other/one"]
    assert bench.client.writes()[-2:] == [f"DELETE Secret {ID.secret_name}", "PATCH DevServer box"]


async def test_a_destroy_that_fails_keeps_state_and_finalizer(with_children: Bench) -> None:
    bench = with_children
    await bench.have_state(NAMES.sshd, NAMES.ssh)
    error = EngineFailedError("RunFailed", "no")
    bench.engine.outcome = Outcome(state(entry(NAMES.sshd)), {"delete": 1}, 0.1, error)
    assert (await bench.destroy()).error is error
    assert bench.stored == {NAMES.sshd}
    assert bench.live is not None
    assert FINALIZER in bench.live["metadata"]["finalizers"]


async def test_a_dead_lifes_destroy_leaves_the_present_finalizer_alone(with_children: Bench) -> None:
    await with_children.have_state(NAMES.sshd)
    with_children.resource["metadata"]["uid"] = "uid-of-a-later-life"
    await with_children.destroy(finish=False, has_spec=False)
    assert with_children.live is not None
    assert FINALIZER in with_children.live["metadata"]["finalizers"]
    assert with_children.stored is None


async def test_a_life_that_only_seems_dead_is_not_destroyed(with_children: Bench) -> None:
    """A replica that begins to lead reads the states anew, and its watch of the resources may have fallen behind."""
    await with_children.have_state(NAMES.sshd)
    with pytest.raises(TransientError, match="exists, but the watch does not show it yet"):
        await with_children.destroy(finish=False, has_spec=False)
    assert with_children.engine.ran == []
    assert with_children.stored == {NAMES.sshd}
    assert with_children.client.writes() == []


async def test_what_someone_else_has_by_now_is_not_destroyed(with_children: Bench) -> None:
    bench = with_children
    bench.client.put(child_object(NAMES.ssh, EARLIER))
    await bench.have_state(NAMES.sshd, NAMES.ssh)
    await bench.destroy()
    assert bench.engine.ran == [("destroy", frozenset({NAMES.sshd}))]
    assert bench.client.find(SERVICE, "dev-ada", "box-ssh") is not None


async def test_what_was_made_and_never_recorded_is_swept(with_children: Bench) -> None:
    growth = Growth()
    bench = with_children
    before = {name for kind, _, name in bench.client.objects if kind != "DevServer"}
    await bench.destroy()
    assert bench.engine.ran == [], "there is no state to destroy from"
    left = {name for kind, _, name in bench.client.objects if kind != "DevServer"}
    assert left == {"box-home"}, "which carries no uid"
    swept = {kind: growth("devserver_orphans_swept_total", kind=kind) for kind in CHILD_KINDS}
    assert sum(swept.values()) == len(before) - len(left)


async def test_a_process_that_died_right_after_its_claim_leaves_nothing_for_good(
    with_children: Bench,
) -> None:
    """The resource was deleted by force since: all there is is the mark that a run began."""
    bench = with_children
    await bench.claim(Term("another", Epoch(CREATED, 1)))
    del bench.client.objects["DevServer", "dev-ada", "box"]
    bench.resource["metadata"]["uid"] = "uid-of-a-later-life"
    await bench.destroy(finish=False, has_spec=False)
    assert {name for _, _, name in bench.client.objects} == {"box-home"}
    assert bench.engine.ran == []


async def test_the_sweep_touches_nothing_of_another_life(with_children: Bench) -> None:
    bench = with_children
    bench.client.put(child_object(NAMES.ssh, EARLIER), child_object(NAMES.sshd, owner(name="other")))
    await bench.destroy()
    assert len(bench.client.objects) == 4


@pytest.mark.parametrize(
    ("on_delete", "has_spec", "destroyed"),
    [("Retain", True, False), ("Delete", True, True), ("Delete", False, True)],
    ids=[
        "retained by the spec",
        "deleted by the spec",
        "of a life whose spec is gone: what the state says holds",
    ],
)
async def test_a_home_is_kept_if_the_spec_as_it_is_now_says_so(
    on_delete: str, has_spec: bool, destroyed: bool
) -> None:
    bench = Bench(child_object(NAMES.home), home={"size": "1Gi", "onDelete": on_delete})
    await bench.have_state(NAMES.sshd, NAMES.home)
    await bench.destroy(has_spec=has_spec)
    ((_, given),) = bench.engine.ran
    assert (NAMES.home in given) is destroyed


async def test_destroy_may_be_repeated_after_a_crash_at_any_point(with_children: Bench) -> None:
    """After every request the process may die; the next one goes on from there."""
    bench = with_children
    await bench.have_state(NAMES.sshd, NAMES.ssh)
    steps = await count_of_requests(bench.destroy, bench.client)
    for step in range(steps):
        bench = Bench(*(child_object(child) for child in (NAMES.sshd, NAMES.ssh, NAMES.home)))
        bench.resource["metadata"] |= {"finalizers": [FINALIZER], "deletionTimestamp": CREATED}
        await bench.have_state(NAMES.sshd, NAMES.ssh)
        die_at(bench.client, step)
        with pytest.raises(ProcessDied):
            await bench.destroy()
        die_at(bench.client, None)
        assert (await bench.destroy()).error is None
        assert bench.stored is None
        assert bench.live is not None
        assert bench.live["metadata"]["finalizers"] == []


class ProcessDied(Exception):
    """Stands for the end of the process."""


def die_at(client: FakeClient, step: int | None) -> None:
    """From the step-th request on, nothing is answered any more."""

    def note(verb: str, resource: Resource, name: str) -> None:
        client.requests.append(f"{verb} {resource.kind} {name}")
        if step is not None and len(client.requests) > step:
            raise ProcessDied

    client.requests.clear()
    client.note = note  # type: ignore[method-assign]


async def count_of_requests(act: Callable[[], Awaitable[Any]], client: FakeClient) -> int:
    client.requests.clear()
    await act()
    return len(client.requests)


# --- expiry


def clock(hours: float) -> Callable[[], datetime]:
    return lambda: NOW + timedelta(hours=hours)


async def test_what_is_still_due_when_looked_at_anew_is_deleted() -> None:
    growth = Growth()
    bench = Bench(lifecycle={"timeToLive": "8h"})
    await bench.actions.expire(EXPIRE, clock(8))
    assert bench.live is None
    assert bench.events == ["Expired"]
    assert growth("devserver_expirations_total") == 1


async def test_an_extension_wins_the_race() -> None:
    bench = Bench(
        lifecycle={"timeToLive": "16h"}, status={"expiresAt": "2030-01-01T16:00:00Z", "timeToLive": "8h"}
    )
    await bench.actions.expire(EXPIRE, clock(8))
    assert bench.live is not None
    assert bench.applied_writes == ["DevServer box"], "and the reconciler knows of it"
    assert bench.events == []


async def test_an_extension_between_the_look_and_the_deletion_wins_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(lifecycle={"timeToLive": "8h"})
    get = bench.client.get

    async def get_and_be_too_late(*args: Any) -> Object | None:
        found = await get(*args)
        bench.resource["metadata"]["resourceVersion"] = "2"
        return found

    monkeypatch.setattr(bench.client, "get", get_and_be_too_late)
    await bench.actions.expire(EXPIRE, clock(8))
    assert bench.live is not None
    assert bench.events == []


@pytest.mark.parametrize("skew_s", [61.0, -61.0, 86400.0])
async def test_nothing_expires_while_the_clocks_disagree(skew_s: float) -> None:
    bench = Bench(lifecycle={"timeToLive": "8h"})
    bench.client.clock_offset_s = skew_s
    with pytest.raises(TransientError) as error:
        await bench.actions.expire(EXPIRE, clock(8))
    assert error.value.reason == "ClockSkewed"
    assert bench.live is not None


@pytest.mark.parametrize("change", ["gone", "another life"])
async def test_another_life_does_not_expire_for_an_earlier_one(change: str) -> None:
    bench = Bench(lifecycle={"timeToLive": "8h"})
    if change == "gone":
        bench.client.objects.clear()
    else:
        bench.resource["metadata"]["uid"] = "another"
    await bench.actions.expire(EXPIRE, clock(8))
    assert bench.client.writes() == []


# --- drift

RECORDED = {NAMES.sshd: Recorded(1, "{}")}


async def test_a_child_that_the_watch_shows_is_not_asked_for() -> None:
    bench = Bench()
    bench.actions.cache.children["v1", "ConfigMap"]["dev-ada", "box-sshd"] = child_object(NAMES.sshd)
    assert await bench.actions.drifts(RECORDED, owner()) == ()
    assert bench.client.requests == []


async def test_a_watch_that_lags_is_no_reason_for_a_run() -> None:
    bench = Bench(child_object(NAMES.sshd))
    assert await bench.actions.drifts(RECORDED, owner()) == ()


@pytest.mark.parametrize("there", [[], [child_object(NAMES.sshd, EARLIER)]], ids=["gone", "of another life"])
async def test_a_child_that_is_gone_or_not_ours_is_missing(there: list[Object]) -> None:
    bench = Bench(*there)
    assert await bench.actions.drifts(RECORDED, owner()) == (Drift(NAMES.sshd),)
