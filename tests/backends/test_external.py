"""DevServers whose states are in an external backend: their life, and what killed runs and others leave there."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import builders
from tests.backends.conftest import PASSWORD, Store
from tests.e2e.kube import Kube, eventually
from tests.faults.harness import Operator
from tests.faults.proxy import Cut, Exchange
from tests.patience import PATIENCE_S, PATIENTLY
from tests.shared_cluster import SYSTEM_NAMESPACE, SharedCluster

pytestmark = pytest.mark.cluster


class Box:
    """A DevServer without a pod, and its traces in the backend."""

    def __init__(self, kube: Kube, store: Store, name: str) -> None:
        self.kube, self.store, self.name = kube, store, name
        self.stack = ""

    def make(self) -> None:
        """Apply it."""
        spec: dict[str, Any] = {"running": False, "image": "local/busybox:1"}
        self.kube.apply(builders.manifest("DevServer", self.name, self.kube.namespace, **spec))
        obj = self.kube.get("dvs", self.name)
        assert obj is not None
        self.stack = f"devserver-{obj['metadata']['uid']}"

    def change(self) -> str:
        """Have another environment; returns what is in it."""
        value = f"v{time.time_ns()}"
        self.kube.patch("dvs", self.name, {"env": [{"name": "SEEN", "value": value}]})
        return value

    def wait_applied(self) -> None:
        self.kube.wait_applied(self.name)

    @property
    def resources(self) -> list[dict[str, Any]]:
        return list(self._latest.get("resources") or [])

    @property
    def pending(self) -> list[dict[str, Any]]:
        """Operations that were begun."""
        return list(self._latest.get("pending_operations") or [])

    @property
    def _latest(self) -> dict[str, Any]:
        found = self.store.read(f".pulumi/stacks/devserver/{self.stack}.json")
        return dict((found or {}).get("checkpoint", {}).get("latest") or {})

    @property
    def locks(self) -> list[str]:
        return self.store.keys(self._locks)

    def lock(self, host: str, pid: int) -> str:
        """Have a lock of someone else; returns its key."""
        key = f"{self._locks}of-{host}.json"
        holder = {"pid": pid, "username": "ada", "hostname": host, "timestamp": "2030-01-01T08:00:00.5Z"}
        self.store.write(key, json.dumps(holder))
        return key

    @property
    def _locks(self) -> str:
        return f".pulumi/locks/organization/devserver/{self.stack}/"

    def traces(self) -> list[str]:
        """Everything in the backend that is of this stack."""
        return [key for key in self.store.keys(".pulumi/") if self.stack in key]

    def uids(self) -> dict[str, str]:
        """The children by kind and name."""
        listed = self.kube("get", "svc,cm,secret,sts", "-o", "json", "-l", f"devserver.io/name={self.name}")
        found = json.loads(listed)["items"]
        return {f"{item['kind']} {item['metadata']['name']}": item["metadata"]["uid"] for item in found}

    def template(self) -> str:
        """What pods are made from."""
        found = self.kube.get("statefulset", self.name)
        assert found is not None
        return json.dumps(found["spec"]["template"])


@pytest.fixture
def box(kube: Kube, store: Store) -> Box:
    """A DevServer that is applied."""
    made = Box(kube, store, "box")
    made.make()
    made.wait_applied()
    return made


@pytest.fixture(autouse=True)
def _nothing_shows_the_password(reconciler: Operator, kube: Kube) -> Iterator[None]:
    yield
    shown = reconciler.log.read_text() + kube("get", "dvs,events", "-o", "json")
    assert PASSWORD not in shown
    assert PASSWORD.partition("@")[0] not in shown


def test_a_devserver_lives_and_dies(box: Box, cluster: SharedCluster) -> None:
    assert len(box.uids()) == 5
    assert {resource["type"] for resource in box.resources} >= {"kubernetes:core/v1:ConfigMap"}
    assert cluster.get("secret", f"state-{box.stack}", SYSTEM_NAMESPACE) is not None
    (recorded,) = [item for item in box.resources if item["type"] == "kubernetes:core/v1:Secret"]
    keys = box.kube.get("secret", f"{box.name}-hostkeys")
    assert keys is not None
    assert not any(key in json.dumps(recorded) for key in keys["data"].values()), "they are encrypted"

    value, before = box.change(), box.uids()
    box.wait_applied()
    assert value in box.template()
    assert box.uids() == before

    box.kube("delete", "dvs", box.name, PATIENTLY)
    assert box.uids() == {}
    assert box.traces() == [], "not even its history"
    assert cluster.get("secret", f"state-{box.stack}", SYSTEM_NAMESPACE) is None


def kill_in_a_run(
    box: Box, operator: Operator, begin: Callable[[], object]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Begin a run and kill the engine process that has the stack's lock while it waits for the answer to a write.

    The API server has carried the write out. Returns the operations under way and the children at that time.
    """
    waiting, killed = threading.Event(), threading.Event()

    def hold(exchange: Exchange) -> None:
        is_of_engine = "devserver.io" not in exchange.path and "/events" not in exchange.path
        if exchange.write and is_of_engine and f"/namespaces/{box.kube.namespace}/" in exchange.path:
            waiting.set()
            assert killed.wait(PATIENCE_S)
            raise Cut

    with operator.proxy.after(hold):
        begin()
        assert waiting.wait(PATIENCE_S), "no run writes"
        (key,) = box.locks
        lock = box.store.read(key)
        assert lock is not None
        assert lock["hostname"] == socket.gethostname()
        left = box.pending, box.uids()
        os.kill(lock["pid"], signal.SIGKILL)
        killed.set()
    return left


def test_a_killed_engines_lock_is_removed(box: Box, reconciler: Operator) -> None:
    removed = reconciler.count("stale lock removed")
    before = box.uids()
    values: list[str] = []
    kill_in_a_run(box, reconciler, lambda: values.append(box.change()))
    box.wait_applied()
    assert values[-1] in box.template()
    assert reconciler.count("stale lock removed") == removed + 1
    assert box.uids() == before
    assert box.locks == []


def test_what_a_killed_create_had_begun_is_adopted(kube: Kube, store: Store, reconciler: Operator) -> None:
    box = Box(kube, store, "box")
    begun, made = kill_in_a_run(box, reconciler, box.make)
    assert begun
    assert made
    box.wait_applied()
    assert box.pending == []
    assert box.locks == []
    after = box.uids()
    assert len(after) == 5
    assert {name: after[name] for name in made} == made, "nothing is made twice"


def test_after_the_reconciler_was_killed_in_a_run_the_next_one_goes_on(
    box: Box, reconciler: Operator
) -> None:
    value, before = box.change(), box.uids()
    eventually(lambda: box.locks, "a run is under way")
    reconciler.kill()
    reconciler.ended()
    reconciler.start()
    box.wait_applied()
    assert value in box.template()
    assert box.uids() == before
    assert box.locks == []


def test_locks_of_the_living_are_respected_and_their_holders_named(box: Box) -> None:
    neighbour = subprocess.Popen(["sleep", "300"])
    try:
        locks = [box.lock("laptop", 17), box.lock(socket.gethostname(), neighbour.pid)]
        before = box.template()
        box.change()

        def waiting() -> str:
            condition = box.kube.condition("dvs", box.name, "Reconciling")
            return str(condition["message"]) if condition.get("reason") == "StateLocked" else ""

        message = eventually(waiting, "it says that the stack is locked")
        assert "ada@laptop (pid 17)" in message
        box.store.delete(locks[0])
        time.sleep(5)
        assert box.locks == [locks[1]], "several tries later the other one is there"
        assert f"(pid {neighbour.pid})" in waiting()
        assert box.template() == before
    finally:
        neighbour.kill()
        neighbour.wait()
    box.wait_applied()
    assert box.template() != before, "its holder is dead now"
    assert box.locks == []


def test_a_checkpoint_that_is_damaged_in_the_backend_is_made_anew(box: Box) -> None:
    before = box.uids()
    box.store.write(f".pulumi/stacks/devserver/{box.stack}.json", "{")
    value = box.change()
    box.wait_applied()
    assert value in box.template()
    assert box.uids() == before

    def told() -> int:
        return box.kube("get", "events", "-o", "jsonpath={.items[*].reason}").split().count("StateDamaged")

    assert eventually(told, "there is an Event") == 1


def test_a_devserver_whose_checkpoint_is_damaged_goes_without_leaving_anything(
    box: Box, cluster: SharedCluster
) -> None:
    box.store.write(f".pulumi/stacks/devserver/{box.stack}.json", "{")
    box.kube("delete", "dvs", box.name, PATIENTLY)
    assert box.uids() == {}
    assert box.traces() == []
    assert cluster.get("secret", f"state-{box.stack}", SYSTEM_NAMESPACE) is None


def test_a_lock_of_an_earlier_leader_whose_run_was_cut_short_is_removed(
    box: Box, cluster: SharedCluster, reconciler: Operator
) -> None:
    """That leader was on another host: only its claim proves that it is dead."""
    before = box.uids()
    box.lock("reconciler-0", 17)
    claim = {"holder": "reconciler-0_token", "epoch": ["2020-01-01T00:00:00Z", 1]}
    since = {"since": "2030-01-01T08:00:00Z"}
    secret = f"secret/state-{box.stack}"
    annotation = f"devserver.io/run-claim={json.dumps(claim | since)}"
    cluster.kubectl("annotate", secret, annotation, f"--namespace={SYSTEM_NAMESPACE}")
    eventually(lambda: not box.locks, "the lock is gone")
    value = box.change()
    box.wait_applied()
    assert value in box.template()
    assert box.uids() == before
