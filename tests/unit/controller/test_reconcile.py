"""Passes over one resource: what is remembered between them, told, and tried again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast, get_args

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from crds.resources import Resource
from crds.times import parse_time
from reconciler.controller import metrics
from reconciler.controller.actions import Actions
from reconciler.controller.decide import Destroy, Expire, Up
from reconciler.controller.drift import FIGHT_WINDOW, REPAIR_ROUNDS, Drift
from reconciler.controller.finalizers import FINALIZER
from reconciler.controller.kind import Prepared
from reconciler.controller.reconcile import Reconciler
from reconciler.controller.workqueue import Lane, WorkQueue
from reconciler.engine.outcome import Outcome
from reconciler.kube.client import JSON_PATCH, ApiError
from reconciler.kube.objects import Key
from reconciler.settings import Settings
from reconciler.state.index import StateIndex, StateRecord
from reconciler.status.conditions import ConditionState, StatusPatch
from reconciler.status.errors import EngineFailedError, ReconcileError, StalledError
from stacks.declarations import Program
from stacks.devserver.program import DevServerChildren
from tests import builders
from tests.builders import CREATED, Kinds, child_object, owner, resource, stack_id
from tests.metering import Growth
from tests.patience import PATIENCE_S

Object = dict[str, Any]
KEY = Key("DevServer", "dev-ada", "box")
NAMES = DevServerChildren.of(owner())
FAILED = EngineFailedError("RunFailed", "the engine says no")
FLAVOR = resource("DevServerFlavor", "cpu-small", default=True)


class FakeStates(dict[Key, dict[str, StateRecord]]):
    """What the watch shows of the states."""

    def of(self, key: Key) -> dict[str, StateRecord]:
        return self.get(key, {})


class FakeActions:
    """Does what the tests say and notes what it was asked to do. Writes reach the cache at once."""

    def __init__(self, known: Kinds, settings: Settings, states: FakeStates) -> None:
        self.cache = known.cache
        self.kinds = known.by_name
        self.settings = settings
        self.done: list[str] = []
        self.events: list[str] = []
        self.drift: tuple[Drift, ...] = ()
        # What goes wrong in up and destroy: in the outcome if it is a ReconcileError, else raised.
        self.error: Exception | None = None
        self.status_error: ApiError | None = None
        self.wake: Callable[[], None] = lambda: None
        # Set at the first try to write a status.
        self.told = asyncio.Event()
        self._states = states

    @property
    def recorder(self) -> "FakeActions":
        return self

    @property
    def client(self) -> "FakeActions":
        return self

    async def up(self, action: Up) -> tuple[Outcome, Prepared]:
        self.done.append(f"up: {action.why}")
        outcome = self._outcome()
        if outcome.error is None:
            self.drift = ()
            self._states[action.id.key] = {action.id.uid: StateRecord(action.id, frozenset({NAMES.sshd}))}
        return outcome, Prepared(Program("cluster-uid", (), {}), {"ssh": {"service": "box-ssh", "port": 22}})

    async def destroy(self, action: Destroy) -> Outcome:
        self.done.append(f"destroy {action.id.uid}")
        return self._outcome()

    async def expire(self, action: Expire, now: Any) -> None:
        self.done.append("expire")

    async def drifts(self, recorded: Any, of: Any) -> tuple[Drift, ...]:
        return self.drift

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> bool:
        self.done.append(f"delete {resource.kind} {name}")
        return True

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Any, subresource: str, content_type: str
    ) -> Object:
        """A status is written, for the life that it is about."""
        self.told.set()
        if self.status_error is not None:
            raise self.status_error
        written = self.cache.resources[resource.kind][namespace, name]
        assert (subresource, content_type) == ("status", JSON_PATCH)
        uid, status = body
        assert uid == {"op": "test", "path": "/metadata/uid", "value": written["metadata"]["uid"]}
        assert (status["op"], status["path"]) == ("add", "/status")
        self.done.append("status")
        written["status"] = status["value"]
        return written

    def apply_write(self, resource: Resource, obj: Object) -> None:
        self.wake()

    async def record(self, about: Object, type_: str, reason: str, note: str) -> None:
        self.events.append(f"{type_} {reason}")

    def _outcome(self) -> Outcome:
        if self.error is not None and not isinstance(self.error, ReconcileError):
            raise self.error
        return Outcome(b"{}", {"create": 5}, 1.0, self.error)


class Bench:
    """A reconciler at work on one DevServer, with a clock that the test turns."""

    def __init__(self, *objects: Object, settings: Settings | None = None) -> None:
        self.seconds = 0.0
        self.clock_set_by_s = 0.0
        self.queue = WorkQueue(lambda: self.seconds, retry_base_s=10.0, retry_cap_s=300.0)
        settings = settings or Settings()
        self.known = builders.kinds(FLAVOR, *objects, settings=settings)
        self.states = FakeStates()
        self.actions = FakeActions(self.known, settings, self.states)
        # Every write of a status is seen by the watch, which has the resource looked at.
        self.actions.wake = lambda: self.queue.add(KEY)
        actions, states = cast(Actions, self.actions), cast(StateIndex, self.states)
        self.reconciler = Reconciler(actions, self.queue, states, self.now)

    def now(self) -> datetime:
        return parse_time(CREATED) + timedelta(seconds=self.seconds + self.clock_set_by_s)

    async def settle(self) -> list[str]:
        """Work until nothing is due; returns what was done."""
        self.actions.done.clear()
        for _ in range(100):
            due = ((lane, key) for lane in Lane if (key := self.queue.take_due(lane)) is not None)
            lane, key = next(due, (None, None))
            if lane is None or key is None:
                return [item for item in self.actions.done if item != "status"]
            await self.reconciler.work_on(key, lane)
        raise AssertionError(f"it never comes to rest: {self.actions.done[-5:]}")

    async def woken(self) -> list[str]:
        self.queue.add(KEY)
        return await self.settle()

    async def after(self, seconds: float) -> list[str]:
        self.seconds += seconds
        return await self.settle()

    async def work(self) -> None:
        """Let workers work until they have nothing to do."""
        working = asyncio.gather(*(self.reconciler.work(lane) for lane in Lane))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not self.queue.meter.longest_s()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    def change(self, **spec: Any) -> None:
        """The user edits the spec."""
        box = self.actions.cache.resources["DevServer"]["dev-ada", "box"]
        box["spec"] |= spec
        box["metadata"]["generation"] += 1

    @property
    def status(self) -> Object:
        found: Object = self.actions.cache.resources["DevServer"]["dev-ada", "box"].get("status", {})
        return found

    @property
    def conditions(self) -> dict[str, str]:
        return {item["type"]: item["reason"] for item in self.status["conditions"]}


@pytest.fixture
def bench() -> Bench:
    return Bench(resource("DevServer"))


@pytest.fixture
async def applied(bench: Bench) -> Bench:
    """A DevServer whose children are in place."""
    assert await bench.woken() == ["up: new"]
    return bench


async def test_a_new_resource_is_made_and_told_of(applied: Bench) -> None:
    assert applied.conditions == {"Ready": "PodStarting"}
    assert applied.status["observedGeneration"] == 1
    assert applied.status["flavor"] == "cpu-small"
    assert applied.status["ssh"]["service"] == "box-ssh"
    assert applied.actions.events == ["Normal PodStarting"]


async def test_what_is_applied_causes_neither_a_run_nor_a_write(applied: Bench) -> None:
    for _ in range(3):
        await applied.woken()
        assert applied.actions.done == []


def with_a_digest_of_an_earlier_rule(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, earlier: str | None = "by another rule"
) -> None:
    """Its status is as an earlier version wrote it. earlier: what that version would write for the present spec."""
    bench.status["inputsDigest"] = "by another rule"
    monkeypatch.setattr(bench.known.devserver, "earlier_digest", lambda inputs: earlier)


async def test_a_digest_of_an_earlier_rule_is_renewed_without_a_run(
    applied: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(applied.status)
    with_a_digest_of_an_earlier_rule(applied, monkeypatch)
    assert applied.status != before
    assert await applied.woken() == []
    assert applied.actions.done == ["status"]
    assert applied.status == before


@pytest.mark.parametrize("earlier", ["of another spec", None], ids=["another spec", "other declarations"])
async def test_a_digest_of_an_earlier_rule_that_does_not_fit_means_a_run_behind_all_others(
    applied: Bench, monkeypatch: pytest.MonkeyPatch, earlier: str | None
) -> None:
    with_a_digest_of_an_earlier_rule(applied, monkeypatch, earlier)
    added: list[bool] = []
    add = applied.queue.add

    def note(key: Key, lane: Lane = Lane.LOOK, urgent: bool = False) -> None:
        if lane is Lane.RUN:
            added.append(urgent)
        add(key, lane, urgent=urgent)

    monkeypatch.setattr(applied.queue, "add", note)
    assert await applied.woken() == ["up: inputs changed"]
    assert added == [False]
    assert applied.status["inputsDigest"].startswith("2:")


async def test_a_changed_spec_is_applied_once(applied: Bench) -> None:
    applied.change(image="debian:trixie")
    assert await applied.woken() == ["up: inputs changed"]
    assert await applied.woken() == []
    assert applied.status["observedGeneration"] == 2


async def test_a_child_that_is_gone_comes_back(applied: Bench) -> None:
    growth = Growth()
    applied.actions.drift = (Drift(NAMES.sshd),)
    assert await applied.woken() == ["up: drift: ConfigMap box-sshd was deleted"]
    assert growth("devserver_drift_total", kind="DevServer", result="repaired") == 1
    assert "Normal DriftRepaired" in applied.actions.events
    assert "Drifted" not in applied.conditions


async def test_drift_is_only_told_of_where_the_policy_says_so() -> None:
    bench = Bench(resource("DevServer", driftPolicy="Observe"))
    await bench.woken()
    growth = Growth()
    bench.actions.drift = (Drift(NAMES.sshd, ("data.motd",)),)
    assert await bench.woken() == []
    assert bench.conditions["Drifted"] == "DriftObserved"
    await bench.woken()
    assert growth("devserver_drift_total", kind="DevServer", result="observed") == 1, "once"
    bench.actions.drift = ()
    assert await bench.woken() == []
    assert "Drifted" not in bench.conditions


async def test_the_operator_gives_way_in_a_fight_and_tries_again_later(applied: Bench) -> None:
    growth = Growth()
    for _ in range(REPAIR_ROUNDS):
        applied.actions.drift = (Drift(NAMES.sshd),)
        assert await applied.woken() == ["up: drift: ConfigMap box-sshd was deleted"]
    applied.actions.drift = (Drift(NAMES.sshd),)
    assert await applied.woken() == []
    assert applied.conditions["Drifted"] == "DriftContested"
    assert growth("devserver_drift_total", kind="DevServer", result="contested") == 1
    assert growth("devserver_drift_total", kind="DevServer", result="repaired") == REPAIR_ROUNDS
    assert await applied.after(FIGHT_WINDOW.total_seconds() / 2) == []
    assert await applied.after(FIGHT_WINDOW.total_seconds() / 2) == [
        "up: drift: ConfigMap box-sshd was deleted"
    ]
    assert "Drifted" not in applied.conditions


async def test_a_pod_that_fails_is_told_of_by_a_warning_once_for_each_reason() -> None:
    bench = Bench(resource("DevServer"), *running("new", "wanted"))
    await bench.woken()
    bench.actions.events.clear()
    for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull"):
        waiting = {"waiting": {"reason": reason, "message": "no such host"}}
        status = {"containerStatuses": [{"name": "devserver", "image": "debian", "state": waiting}]}
        box = bench.known.devserver.watched.pods["dev-ada", "box-0"]
        bench.known.devserver.watched.pods["dev-ada", "box-0"] = box | {"status": status}
        assert await bench.woken() == []
    assert bench.conditions["Ready"] == "ImagePullBackOff"
    assert bench.actions.events == ["Warning ImagePullBackOff"]


@pytest.mark.parametrize(("warns", "event"), [(True, "Warning Full"), (False, "Normal Full")])
async def test_what_the_cluster_shows_is_told_without_a_run_once(
    applied: Bench, warns: bool, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = ConditionState("Roomy", "False", "Full", "no room", warns)
    patch = StatusPatch({"phase": "Squeezed"}, {"Roomy": full})
    monkeypatch.setattr(applied.known.devserver, "conditions", lambda *_: patch)
    applied.actions.events.clear()
    for _ in range(2):
        assert await applied.woken() == []
    assert applied.conditions["Roomy"] == "Full"
    assert applied.status["phase"] == "Squeezed"
    assert applied.actions.events == [event]


async def test_what_the_inputs_leave_out_of_the_spec_is_told_though_the_rest_is_applied(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = StalledError("RoleNotAllowed", "not given")
    monkeypatch.setattr(bench.known.devserver, "rejected_fields", lambda inputs: left_out)
    assert await bench.woken() == ["up: new"]
    assert bench.conditions == {"Ready": "RoleNotAllowed", "Stalled": "RoleNotAllowed"}
    assert bench.actions.events == ["Normal RoleNotAllowed", "Warning RoleNotAllowed"]
    assert await bench.woken() == [], "no run for what nothing can be done about"
    monkeypatch.undo()
    await bench.woken()
    assert bench.conditions == {"Ready": "PodStarting"}


# --- failures


async def test_a_failed_run_is_tried_again_when_it_is_due_though_its_own_status_woke_it(bench: Bench) -> None:
    bench.actions.error = FAILED
    assert await bench.woken() == ["up: new"]
    assert bench.conditions == {"Ready": "RunFailed", "Reconciling": "RunFailed"}
    assert await bench.after(5) == [], "it waits"
    bench.actions.error = None
    assert await bench.after(6) == ["up: new"]
    assert bench.conditions == {"Ready": "PodStarting"}


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wall_clock_that_is_set_neither_hurries_nor_delays_the_retry(
    bench: Bench, hours: int
) -> None:
    bench.actions.error = FAILED
    await bench.woken()
    bench.actions.error = None
    bench.clock_set_by_s = hours * 3600
    assert await bench.after(5) == [], "it waits"
    assert await bench.after(6) == ["up: new"]


async def test_a_failure_that_lost_its_cause_does_not_wait_for_its_retry(bench: Bench) -> None:
    bench.actions.error = FAILED
    await bench.woken()
    bench.reconciler.retry_now(lambda key, error: error.reason == "QuotaExceeded")
    assert await bench.settle() == [], "another failure is not unblocked"
    bench.actions.error = None
    bench.reconciler.retry_now(lambda key, error: key == KEY and error is FAILED)
    assert await bench.settle() == ["up: new"]


async def test_what_failed_for_the_cluster_is_tried_when_the_cluster_is_back(bench: Bench) -> None:
    bench.actions.error = ApiError(0, "Unreachable", "away")
    await bench.woken()
    assert bench.conditions == {"Ready": "ClusterError", "Reconciling": "ClusterError"}
    bench.actions.error = None
    bench.reconciler.cluster_returned()
    assert await bench.settle() == ["up: new"]


async def test_what_failed_for_another_reason_goes_on_waiting_when_the_cluster_is_back(
    bench: Bench,
) -> None:
    bench.actions.error = FAILED
    await bench.woken()
    bench.reconciler.cluster_returned()
    assert await bench.settle() == []
    assert await bench.after(11) == ["up: new"]


async def test_being_woken_again_and_again_neither_hurries_nor_loses_the_retry(bench: Bench) -> None:
    bench.actions.error = FAILED
    await bench.woken()
    for _ in range(7):
        bench.seconds += 1
        assert await bench.woken() == []
    assert await bench.after(4) == ["up: new"]


async def test_delays_between_failures_grow(bench: Bench) -> None:
    bench.actions.error = FAILED
    await bench.woken()
    tries = [bench.seconds for _ in range(400) if await bench.after(1)]
    pauses = [later - earlier for earlier, later in zip([0.0, *tries], tries, strict=False)]
    assert pauses == sorted(pauses)
    assert 8 <= pauses[0] <= 11
    assert 128 <= pauses[4] <= 161


async def test_a_change_of_the_spec_does_not_wait_for_the_retry(bench: Bench) -> None:
    bench.actions.error = FAILED
    await bench.woken()
    bench.change(image="debian:trixie")
    assert await bench.woken() == ["up: new"]


async def test_a_spec_that_is_taken_back_after_a_failed_run_is_applied_again(applied: Bench) -> None:
    """The failed run may have changed some of the children."""
    applied.actions.error = FAILED
    applied.change(image="debian:trixie")
    assert await applied.woken() == ["up: inputs changed"]
    applied.actions.error = None
    applied.change(image="debian:bookworm")
    assert await applied.woken() == ["up: new"]


async def test_an_unknown_error_is_told_and_tried_again(bench: Bench) -> None:
    bench.actions.error = KeyError("surprise")
    await bench.woken()
    assert bench.conditions == {"Ready": "InternalError", "Reconciling": "InternalError"}
    assert "surprise" in bench.status["conditions"][0]["message"]
    bench.actions.error = None
    assert await bench.after(11) == ["up: new"]


async def test_an_api_server_that_is_away_is_told_and_tried_again(bench: Bench) -> None:
    bench.actions.error = ApiError(0, "Unreachable", "connection refused")
    await bench.woken()
    assert bench.conditions == {"Ready": "ClusterError", "Reconciling": "ClusterError"}
    bench.actions.error = None
    assert await bench.after(11) == ["up: new"]


async def test_a_conflict_of_names_stalls_and_is_looked_at_again(bench: Bench) -> None:
    bench.actions.error = StalledError("NameConflict", "ConfigMap dev-ada/box-sshd exists.")
    await bench.woken()
    assert bench.conditions == {"Ready": "NameConflict", "Stalled": "NameConflict"}
    assert "Warning NameConflict" in bench.actions.events
    bench.actions.error = None
    assert await bench.after(11) == ["up: new"]


async def test_a_missing_flavor_is_waited_for_without_a_timer() -> None:
    bench = Bench(resource("DevServer", flavor="gpu"))
    assert await bench.woken() == []
    assert bench.conditions == {"Ready": "FlavorNotFound", "Reconciling": "FlavorNotFound"}
    assert await bench.after(10_000) == []
    assert len(bench.queue) == 0
    bench.actions.cache.resources["DevServerFlavor"]["", "gpu"] = resource("DevServerFlavor", "gpu")
    assert await bench.woken() == ["up: new"]


async def test_an_invalid_spec_is_told_by_field() -> None:
    bench = Bench(resource("DevServer", image="--privileged"))
    assert await bench.woken() == []
    assert bench.conditions == {"Ready": "InvalidSpec", "Stalled": "InvalidSpec"}
    assert "spec.image" in bench.status["conditions"][0]["message"]


# --- deletion and expiry


def deleted(box: Object) -> Object:
    box["metadata"] |= {"deletionTimestamp": CREATED, "finalizers": [FINALIZER]}
    return box


async def test_a_deleted_resource_is_destroyed_and_told_no_more() -> None:
    bench = Bench(deleted(resource("DevServer")))
    assert await bench.woken() == ["destroy uid-box"]
    assert bench.status == {}


async def test_a_destroy_that_fails_is_told_and_tried_again() -> None:
    bench = Bench(deleted(resource("DevServer")))
    bench.actions.error = FAILED
    assert await bench.woken() == ["destroy uid-box"]
    assert bench.conditions["Reconciling"] == "RunFailed"
    assert await bench.after(5) == []
    assert await bench.after(6) == ["destroy uid-box"]


async def test_a_dead_life_whose_destroy_fails_is_tried_again_though_no_resource_is_left() -> None:
    bench = Bench()
    bench.states[KEY] = {"uid-box": StateRecord(stack_id(), None)}
    bench.actions.error = FAILED
    assert await bench.woken() == ["destroy uid-box"]
    assert await bench.woken() == []
    assert await bench.after(11) == ["destroy uid-box"]


async def test_time_is_up_when_it_is_up_without_anyone_looking() -> None:
    bench = Bench(resource("DevServer", lifecycle={"timeToLive": "30m"}))
    assert await bench.woken() == ["up: new"]
    assert bench.status["expiresAt"] == "2030-01-01T08:30:00Z"
    assert await bench.after(29 * 60) == []
    assert await bench.after(61) == ["expire"]


async def test_an_extension_moves_the_end() -> None:
    bench = Bench(resource("DevServer", lifecycle={"timeToLive": "30m"}))
    await bench.woken()
    bench.change(lifecycle={"timeToLive": "45m"})
    assert await bench.woken() == ["up: inputs changed"]
    assert await bench.after(31 * 60) == []
    assert await bench.after(15 * 60) == ["expire"]


async def test_a_far_end_is_looked_at_every_hour_for_the_clock_may_be_set() -> None:
    bench = Bench(resource("DevServer", lifecycle={"timeToLive": "24h"}))
    await bench.woken()
    bench.seconds += 3601
    assert bench.queue.take_due() == KEY


# --- restarts


def running(revision: str, digest: str) -> tuple[Object, Object]:
    template = {"metadata": {"annotations": {"devserver.io/restart-digest": "wanted"}}}
    workload = child_object(
        NAMES.stateful_set,
        spec={"replicas": 1, "template": template},
        status={"observedGeneration": 1, "updateRevision": "new"},
    )
    workload["metadata"]["generation"] = 1
    pod = builders.pod(
        labels={"controller-revision-hash": revision},
        annotations={"devserver.io/restart-digest": digest},
        status={"conditions": [{"type": "Ready", "status": "True"}]},
    )
    return workload, pod


@pytest.mark.parametrize(
    ("revision", "digest", "restarted", "pending"),
    [("new", "wanted", False, False), ("old", "other", True, False), ("old", "wanted", False, True)],
    ids=["up to date", "the user changed the spec", "the flavor changed"],
)
async def test_a_pod_is_restarted_for_its_user_and_otherwise_waits(
    revision: str, digest: str, restarted: bool, pending: bool
) -> None:
    bench = Bench(resource("DevServer"), *running(revision, digest))
    done = await bench.woken()
    assert ("delete Pod box-0" in done) is restarted
    assert ("Normal Restarted" in bench.actions.events) is restarted
    assert ("RestartPending" in bench.conditions) is pending
    assert bench.conditions["Ready"] == "PodReady"


# --- the loop


async def test_a_status_that_cannot_be_written_is_written_later(bench: Bench) -> None:
    bench.actions.status_error = ApiError(500, "InternalError", "etcd is away")
    working = asyncio.gather(*(bench.reconciler.work(lane) for lane in Lane))
    bench.queue.add(KEY)
    await asyncio.wait_for(bench.actions.told.wait(), PATIENCE_S)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    bench.actions.status_error = None
    await bench.after(11)
    assert bench.conditions == {"Ready": "PodStarting"}


async def test_a_broken_resource_delays_no_other() -> None:
    bench = Bench(resource("DevServer"), resource("DevServer", "other"))
    del bench.actions.cache.resources["DevServer"]["dev-ada", "other"]["metadata"]["uid"]
    bench.queue.add(KEY._replace(name="other"))
    bench.queue.add(KEY)
    working = asyncio.gather(*(bench.reconciler.work(lane) for lane in Lane))
    await asyncio.wait_for(bench.actions.told.wait(), PATIENCE_S)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    assert bench.conditions == {"Ready": "PodStarting"}


async def test_every_line_of_a_pass_says_which_one_it_belongs_to(bench: Bench) -> None:
    bench.actions.error = KeyError("surprise")
    with capture_logs([merge_contextvars]) as lines:
        working = asyncio.gather(*(bench.reconciler.work(lane) for lane in Lane))
        bench.queue.add(KEY)
        await asyncio.wait_for(bench.actions.told.wait(), PATIENCE_S)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    assert [line["event"] for line in lines] == ["run starts", "unexpected error", "failed"]
    for line in lines:
        assert line["resource"] == "DevServer/dev-ada/box"
        assert line["generation"] == 1
        assert line["pulumi_stack"] == "devserver-uid-box"
    assert len({line["reconcile_id"] for line in lines}) == 1


async def test_passes_are_counted_by_how_they_end(bench: Bench) -> None:
    growth = Growth()

    def grown() -> dict[str, float]:
        results = get_args(metrics.ReconcileResult)
        counted = {
            result: growth("controller_runtime_reconcile_total", controller="devserver", result=result)
            for result in results
        }
        return {result: count for result, count in counted.items() if count}

    bench.actions.error = FAILED
    bench.queue.add(KEY)
    await bench.work()
    assert grown() == {"requeue": 1, "error": 1, "requeue_after": 1}, (
        "looked at, run, and its own status seen"
    )
    assert growth("controller_runtime_reconcile_errors_total", controller="devserver") == 1
    assert growth("workqueue_retries_total", name="devserver") == 1
    bench.actions.error = None
    bench.seconds += 11
    await bench.work()
    assert grown() == {"requeue": 2, "error": 1, "requeue_after": 1, "success": 2}
    assert growth("controller_runtime_reconcile_time_seconds_count", controller="devserver") == 6
    assert growth("controller_runtime_active_workers", controller="devserver") == 0
