"""The API server and its store go away and come back; its connections fall silent; its watches break."""

import threading
import time
from collections.abc import Iterator

import pytest

import localcluster
from crds.resources import DEVSERVER
from tests import shared_cluster
from tests.e2e.kube import eventually
from tests.faults.harness import Operator, Space, is_applied
from tests.faults.invariants import CONFIG_MAP, Guard
from tests.faults.kubeapi import Api
from tests.faults.proxy import WRITES, Cut, Exchange
from tests.patience import HUNG_S, PATIENCE_S
from tests.shared_cluster import SharedCluster

SETTINGS = shared_cluster.settings()
# From the end of the fault until everything is in order again.
HEALED_WITHIN_S = PATIENCE_S
BOXES = ("one", "two", "three")


@pytest.fixture(scope="module")
def operator(cluster: SharedCluster) -> Iterator[Operator]:
    """One operator for all of these: it has to get over each fault."""
    # Whoever cannot renew its Lease ends; that is another suite's matter.
    with Operator.running(
        cluster,
        lease_duration_s=300,
        lease_renew_deadline_s=240,
        watch_silence_s=70,
        run_deadline_s=20,
        # What heals in time heals by being woken, not because its next try happened to be near.
        retry_cap_s=300,
    ) as operator:
        yield operator


def in_mid_run(operator: Operator, space: Space) -> None:
    """Three DevServers, of which the first children are being made."""
    operator.proxy.reset()
    for name in BOXES:
        space.create(name)
    eventually(lambda: any("/services" in item.path for item in operator.proxy.writes()), "a child is made")


def test_an_api_server_killed_in_mid_run_delays_and_loses_nothing(
    operator: Operator, space: Space, guard: Guard
) -> None:
    in_mid_run(operator, space)
    localcluster.kill("kube-apiserver", SETTINGS)
    space.create("four")
    space.await_applied(*BOXES, "four", timeout_s=HEALED_WITHIN_S)
    guard.check()


@pytest.mark.full
def test_an_etcd_killed_in_mid_run_delays_and_loses_nothing(
    operator: Operator, space: Space, guard: Guard
) -> None:
    in_mid_run(operator, space)
    localcluster.kill("etcd", SETTINGS)
    space.await_applied(*BOXES, timeout_s=HEALED_WITHIN_S)
    guard.check()


@pytest.mark.parametrize("seconds", [8, pytest.param(30, marks=pytest.mark.full)])
def test_an_etcd_that_stands_still_delays_and_loses_nothing(
    operator: Operator, space: Space, guard: Guard, seconds: int
) -> None:
    in_mid_run(operator, space)
    with localcluster.paused("etcd", SETTINGS):
        time.sleep(seconds)
    space.await_applied(*BOXES, timeout_s=HEALED_WITHIN_S)
    guard.check()


@pytest.mark.parametrize("seconds", [5, pytest.param(35, marks=pytest.mark.full)])
def test_connections_that_are_accepted_and_never_answered_delay_and_lose_nothing(
    operator: Operator, space: Space, guard: Guard, seconds: int
) -> None:
    in_mid_run(operator, space)
    with operator.proxy.hang():
        space.create("four")
        time.sleep(seconds)
    space.await_applied(*BOXES, "four", timeout_s=HEALED_WITHIN_S)
    guard.check()


@pytest.mark.full
def test_one_answer_that_never_comes_costs_its_run_and_nothing_else(
    operator: Operator, space: Space, guard: Guard
) -> None:
    """The engine waits for a child's creation: the run is killed at its deadline, others go on meanwhile."""
    stuck, released = threading.Event(), threading.Event()

    def hold(exchange: Exchange) -> None:
        if exchange.method in WRITES and "/services" in exchange.path and not stuck.is_set():
            stuck.set()
            released.wait(HUNG_S)
            raise Cut

    with operator.proxy.before(hold):
        space.create("one")
        eventually(stuck.is_set, "the engine asks for a Service")
        space.create("two")
        space.await_applied("two", timeout_s=HEALED_WITHIN_S)
        assert not is_applied(space.get("one"))
        space.await_applied("one", timeout_s=HEALED_WITHIN_S)
        released.set()
    guard.check()


def test_changes_are_seen_however_often_watches_are_closed(
    operator: Operator, space: Space, guard: Guard
) -> None:
    for number in range(6):
        space.create(f"box{number}")
        operator.proxy.close_watches()
        if number:
            space.patch(f"box{number - 1}", image=f"local/busybox:{number}")
        operator.proxy.cut()
    space.delete("box0")
    operator.proxy.close_watches()
    space.await_gone("box0", timeout_s=HEALED_WITHIN_S)
    space.await_applied(timeout_s=HEALED_WITHIN_S)
    guard.check()


def vanish(api: Api, space: Space, name: str) -> None:
    """Delete a DevServer and take its finalizers off by force: the object is gone at once."""
    space.delete(name)
    api.patch(DEVSERVER, space.namespace, name, {"metadata": {"finalizers": None}})
    assert space.get(name) is None


def test_what_happened_while_the_watches_were_too_old_is_found_by_a_new_list(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    for name in BOXES:
        space.create(name)
    space.await_applied()
    guard.note_host_keys()
    uid = space.get("three")["metadata"]["uid"]  # type: ignore[index]
    anew = operator.count("watch lists anew")

    with operator.proxy.refuse():
        # A restarted API server keeps no history: whoever resumes at an earlier version is told 410 Gone.
        api.delete(CONFIG_MAP, space.namespace, "one-sshd")
        vanish(api, space, "three")
        space.patch("two", image="local/busybox:2")
        space.create("four")
        localcluster.kill("kube-apiserver", SETTINGS)
        # The history must go on past the versions that the watches have.
        api.create(CONFIG_MAP, {"metadata": {"name": "later", "namespace": space.namespace}})

    space.await_applied("one", "two", "four", timeout_s=HEALED_WITHIN_S)
    eventually(lambda: not guard.children_of(uid), "the dead one's children vanish", HEALED_WITHIN_S)
    eventually(lambda: api.get(CONFIG_MAP, space.namespace, "one-sshd"), "the child is back", HEALED_WITHIN_S)
    eventually(lambda: len(guard.states()) == 3, "the dead one's state vanishes", HEALED_WITHIN_S)
    assert operator.count("watch lists anew") > anew
    space.await_applied()
    guard.check()


@pytest.mark.full
def test_a_watch_that_is_told_410_again_and_again_still_catches_up(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("one")
    space.await_applied()
    with operator.proxy.expire_watches():
        api.delete(CONFIG_MAP, space.namespace, "one-sshd")
        space.create("two")
        # Without a single watch, lists alone bring it about.
        eventually(
            lambda: api.get(CONFIG_MAP, space.namespace, "one-sshd"), "the child is back", HEALED_WITHIN_S
        )
        space.await_applied("two", timeout_s=HEALED_WITHIN_S)
    space.await_applied(timeout_s=HEALED_WITHIN_S)
    guard.check()
