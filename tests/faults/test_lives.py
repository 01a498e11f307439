"""Lives that begin and end at bad moments: finalizers, names used again, namespaces, the instant of expiry."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from crds.resources import DEVSERVER, NAMESPACE, USER
from crds.times import parse_time
from reconciler.controller.finalizers import FINALIZER
from tests import builders
from tests.e2e.kube import condition, eventually
from tests.faults.harness import Operator, Space, await_quiet
from tests.faults.invariants import Guard
from tests.faults.kubeapi import Api, ApiError, Object
from tests.shared_cluster import SharedCluster

HOME = {"size": "1Mi", "onDelete": "Delete"}


@pytest.fixture(scope="module")
def operator(cluster: SharedCluster) -> Iterator[Operator]:
    with Operator.running(cluster) as operator:
        yield operator


def finalizers(space: Space, name: str) -> list[str]:
    found: list[str] = (space.get(name) or {"metadata": {}})["metadata"].get("finalizers", [])
    return found


def drop_finalizers(api: Api, space: Space, name: str) -> None:
    """By force, whether or not it is there still."""
    try:
        api.patch(DEVSERVER, space.namespace, name, {"metadata": {"finalizers": None}})
    except ApiError as error:
        if error.code != 404:
            raise


def await_nothing_of(guard: Guard, uid: str) -> None:
    """Neither children nor state."""
    eventually(lambda: not guard.children_of(uid), f"the children of {uid} vanish")
    eventually(lambda: uid not in {item.uid for item in guard.states()}, f"the state of {uid} vanishes")


# --- finalizers and names


def test_a_devserver_that_lost_its_finalizer_and_was_deleted_leaves_nothing(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    box = space.create("box", home=HOME)
    space.await_applied("box")
    drop_finalizers(api, space, "box")
    space.delete("box")
    assert space.get("box") is None
    await_nothing_of(guard, box["metadata"]["uid"])
    guard.check()


def test_a_finalizer_taken_off_in_mid_run_leaves_nothing(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    operator.proxy.reset()
    box = space.create("box", home=HOME)
    eventually(lambda: any("/services" in item.path for item in operator.proxy.writes()), "it is made")
    space.delete("box")
    drop_finalizers(api, space, "box")
    eventually(lambda: space.get("box") is None, "it is gone")
    await_quiet(operator.proxy, quiet_s=1)
    await_nothing_of(guard, box["metadata"]["uid"])
    guard.check()


def test_a_finalizer_that_was_taken_off_is_back_with_the_next_run(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box")
    space.await_applied("box")
    drop_finalizers(api, space, "box")
    space.patch("box", image="local/busybox:2")
    space.await_applied("box")
    assert FINALIZER in finalizers(space, "box")
    guard.check()


@pytest.mark.parametrize("lives", [6, pytest.param(25, marks=pytest.mark.full)])
def test_a_name_that_is_used_again_and_again_ends_with_its_last_life_only(
    operator: Operator, space: Space, guard: Guard, api: Api, lives: int
) -> None:
    chance = random.Random(lives)
    uids = []
    for life in range(lives):
        box = space.create("box", image=f"local/busybox:{life % 2 + 1}")
        uids.append(box["metadata"]["uid"])
        # From "not even seen yet" to "made".
        time.sleep(chance.choice((0, 0.05, 0.2, 0.6)))
        space.delete("box")
        if chance.random() < 0.5:
            drop_finalizers(api, space, "box")
        eventually(lambda: space.get("box") is None, f"life {life} is over")
    last = space.create("box", home=HOME)
    space.await_applied("box")
    await_quiet(operator.proxy)
    for uid in uids:
        await_nothing_of(guard, uid)
    assert last["metadata"]["uid"] not in uids
    guard.check()


@pytest.mark.full
def test_children_go_first_where_the_deletion_asks_for_that(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    for name in ("foreground", "orphan"):
        space.create(name)
    space.await_applied()
    uids = [obj["metadata"]["uid"] for obj in space.all()]
    for name, policy in (("foreground", "Foreground"), ("orphan", "Orphan")):
        path = DEVSERVER.path(space.namespace, name)
        api.request("DELETE", path, {"propagationPolicy": policy})
    space.await_gone()
    for uid in uids:
        await_nothing_of(guard, uid)
    guard.check()


# --- namespaces


def test_a_namespace_deleted_in_mid_run_goes_and_leaves_no_state(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    operator.proxy.reset()
    for number in range(4):
        space.create(f"box{number}", home=HOME)
    eventually(lambda: any("/services" in item.path for item in operator.proxy.writes()), "a child is made")
    api.delete(NAMESPACE, "", space.namespace)
    eventually(lambda: api.get(NAMESPACE, "", space.namespace) is None, "the namespace is gone")
    eventually(lambda: not guard.states(), "no state is left")


@pytest.mark.full
def test_a_users_namespace_that_was_deleted_comes_back(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    name = f"u{space.namespace[-8:]}"
    api.create(USER, builders.manifest("DevServerUser", name, username=name, deletionPolicy="Delete"))

    def home() -> Object | None:
        return api.get(NAMESPACE, "", f"dev-{name}")

    def is_ready() -> bool:
        user = api.get(USER, "", name) or {}
        pending = condition(user, "Reconciling") or condition(user, "Stalled")
        return condition(user, "Ready").get("status") == "True" and not pending

    eventually(is_ready, "the user is made")
    first = home()
    assert first is not None
    api.delete(NAMESPACE, "", f"dev-{name}")

    def is_another() -> bool:
        now = home()
        return now is not None and now["metadata"]["uid"] != first["metadata"]["uid"]

    eventually(is_another, "there is a namespace again")
    eventually(lambda: is_ready() and home(), "all is in place again")
    api.delete(USER, "", name)
    eventually(lambda: api.get(USER, "", name) is None, "the user is gone")
    eventually(lambda: home() is None, "the namespace too")


# --- the instant of expiry

# Long enough to make all of them meanwhile.
TIME_TO_LIVE_S = 20
# As seen from the instant of expiry: some are clearly in time, some clearly late, most are close.
SPREAD_S = (-0.4, -0.1, -0.05, -0.02, -0.01, 0.0, 0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3)


def is_leaving(obj: Object | None) -> bool:
    return obj is None or "deletionTimestamp" in obj["metadata"]


@pytest.mark.parametrize(
    ("bare", "made"), [(20, 2), pytest.param(90, 10, marks=pytest.mark.full)], ids=["short", "a hundred"]
)
def test_an_extension_at_the_instant_of_expiry_either_holds_or_came_too_late(
    operator: Operator, space: Space, guard: Guard, bare: int, made: int
) -> None:
    """bare: DevServers without a stack, whose deletion is instant; made: with one. As many are not extended."""
    lifecycle = {"timeToLive": f"{TIME_TO_LIVE_S}s"}
    # The expiry of one that waits for its flavor is as much a timer as that of any other, but needs no run.
    plans = [(f"bare{number}", {"flavor": "none-such"}) for number in range(bare)]
    plans += [(f"made{number}", {}) for number in range(made)]
    extended, left = {}, {}
    for name, spec in plans:
        extended[name] = space.create(name, lifecycle=lifecycle, **spec)
        left[f"left-{name}"] = space.create(f"left-{name}", lifecycle=lifecycle, **spec)

    def extend(name: str, offset_s: float) -> bool:
        """Whether the answer said that it lives on."""
        created = parse_time(extended[name]["metadata"]["creationTimestamp"])
        when = created + timedelta(seconds=TIME_TO_LIVE_S + offset_s)
        time.sleep(max(0.0, (when - datetime.now(UTC)).total_seconds()))
        try:
            return not is_leaving(space.patch(name, lifecycle={"timeToLive": "1h"}))
        except ApiError as error:
            if error.code != 404:
                raise
            return False

    offsets = [SPREAD_S[number % len(SPREAD_S)] for number in range(len(extended))]
    with ThreadPoolExecutor(len(extended)) as pool:
        held = dict(zip(extended, pool.map(extend, extended, offsets), strict=True))

    eventually(lambda: all(is_leaving(space.get(name)) for name in left), "what was not extended ends")
    time.sleep(2)
    lost = [name for name, holds in held.items() if holds and is_leaving(space.get(name))]
    assert not lost, "extended in time and yet gone"
    undead = [name for name, holds in held.items() if not holds and not is_leaving(space.get(name))]
    assert not undead, "too late, and yet there"
    assert any(held.values()), "all were late: the test tried nothing"
    for name in list(space_names(space)):
        if name.startswith("bare"):
            space.delete(name)
    eventually(lambda: not any(name.startswith("left") for name in space_names(space)), "all are gone")
    space.await_applied()
    guard.check()


def space_names(space: Space) -> set[str]:
    return {obj["metadata"]["name"] for obj in space.all()}


@pytest.mark.full
def test_a_devserver_extended_again_and_again_lives_and_then_ends(
    operator: Operator, space: Space, guard: Guard
) -> None:
    ends_s = 15
    box = space.create("box", lifecycle={"timeToLive": f"{ends_s}s"})
    created = parse_time(box["metadata"]["creationTimestamp"])

    def await_nearly_the_end() -> None:
        when = created + timedelta(seconds=ends_s - 3)
        time.sleep(max(0.0, (when - datetime.now(UTC)).total_seconds()))

    for _ in range(5):
        await_nearly_the_end()
        ends_s += 4
        space.patch("box", lifecycle={"timeToLive": f"{ends_s}s"})
    await_nearly_the_end()
    assert not is_leaving(space.get("box"))
    space.await_gone("box")
    guard.check()
