"""Others change and delete children: that is put back at once, or told of, and never fought over for ever."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crds.resources import SECRET, STATEFUL_SET, Resource
from reconciler.controller.drift import REPAIR_ROUNDS
from tests.e2e.kube import condition, eventually
from tests.faults.harness import Operator, Space, await_quiet
from tests.faults.invariants import CONFIG_MAP, SERVICE, Guard
from tests.faults.kubeapi import Api, ApiError, Object
from tests.patience import generous
from tests.shared_cluster import SharedCluster

APPLY = "application/apply-patch+yaml"
# What is measured is printed; the bench has it, too.
SOON_S = generous(5)


@pytest.fixture(scope="module")
def operator(cluster: SharedCluster) -> Iterator[Operator]:
    with Operator.running(cluster) as operator:
        yield operator


@pytest.fixture
def box(operator: Operator, space: Space, guard: Guard) -> Object:
    """A DevServer at rest."""
    box = space.create("box")
    space.await_applied("box")
    await_quiet(operator.proxy)
    guard.note_host_keys()
    return box


def value(obj: Object | None, path: str) -> Any:
    """What stands at a dotted path; None if there is nothing."""
    found: Any = obj
    for part in path.split("."):
        if isinstance(found, list):
            found = found[int(part)] if int(part) < len(found) else None
        else:
            found = (found or {}).get(part)
    return found


# What someone changes, and where it shows.
EDITS: dict[str, tuple[Resource, str, Object, str]] = {
    "a file": (CONFIG_MAP, "box-sshd", {"data": {"sshd_config": "PermitRootLogin yes"}}, "data.sshd_config"),
    "a removed file": (CONFIG_MAP, "box-sshd", {"data": {"sshd_config": None}}, "data.sshd_config"),
    "the number of pods": (STATEFUL_SET, "box", {"spec": {"replicas": 3}}, "spec.replicas"),
    "a port": (
        SERVICE,
        "box-ssh",
        {"spec": {"ports": [{"name": "ssh", "port": 22, "targetPort": 80, "protocol": "TCP"}]}},
        "spec.ports.0.targetPort",
    ),
    "a removed host key": (
        SECRET,
        "box-hostkeys",
        {"data": {"ssh_host_ecdsa_key": None}},
        "data.ssh_host_ecdsa_key",
    ),
    "a host key": (
        SECRET,
        "box-hostkeys",
        {"data": {"ssh_host_ed25519_key": "bm90IGEga2V5"}},
        "data.ssh_host_ed25519_key",
    ),
}


SHORT = {"a file", "a host key"}


def settle(operator: Operator, space: Space) -> None:
    """Wait until everything is done, the last status and state written."""
    await_quiet(operator.proxy, quiet_s=1)
    space.await_applied()


@pytest.mark.parametrize(
    ("resource", "name", "change", "path"),
    [
        pytest.param(*edit, id=what, marks=[] if what in SHORT else [pytest.mark.full])
        for what, edit in EDITS.items()
    ],
)
def test_a_field_of_ours_that_someone_changed_is_put_back_at_once(
    operator: Operator,
    space: Space,
    guard: Guard,
    api: Api,
    box: Object,
    resource: Resource,
    name: str,
    change: Object,
    path: str,
) -> None:
    ours = value(api.get(resource, space.namespace, name), path)
    assert ours is not None
    theirs = value(api.patch(resource, space.namespace, name, change), path)
    assert theirs != ours
    eventually(
        lambda: value(api.get(resource, space.namespace, name), path) == ours, "it is put back", SOON_S
    )
    settle(operator, space)
    assert not drifted(space)
    guard.check()


@pytest.mark.full
def test_a_field_that_another_manager_took_by_force_is_taken_back(
    operator: Operator, space: Space, guard: Guard, api: Api, box: Object
) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "box-sshd"},
        "data": {"motd": "owned by another"},
    }
    path = CONFIG_MAP.path(space.namespace, "box-sshd")
    before = api.get(CONFIG_MAP, space.namespace, "box-sshd")
    api.request("PATCH", f"{path}?fieldManager=another&force=true", theirs, APPLY)

    def is_back() -> bool:
        return value(api.get(CONFIG_MAP, space.namespace, "box-sshd"), "data.motd") == value(
            before, "data.motd"
        )

    eventually(is_back, "it is put back", SOON_S)
    settle(operator, space)
    guard.check()


def test_what_others_add_stays_and_causes_no_run(
    operator: Operator, space: Space, guard: Guard, api: Api, box: Object
) -> None:
    runs = operator.runs("box")
    more = {"metadata": {"labels": {"team": "blue"}}, "data": {"their-file": "x"}}
    api.patch(CONFIG_MAP, space.namespace, "box-sshd", more)
    time.sleep(1)
    await_quiet(operator.proxy)
    assert operator.runs("box") == runs
    now = api.get(CONFIG_MAP, space.namespace, "box-sshd")
    assert value(now, "data.their-file") == "x"
    guard.check()


def test_every_child_that_is_deleted_is_back_at_once(
    operator: Operator, space: Space, guard: Guard, api: Api, box: Object
) -> None:
    taken = []
    for resource, name in (
        (CONFIG_MAP, "box-sshd"),
        (SERVICE, "box"),
        (SERVICE, "box-ssh"),
        (SECRET, "box-hostkeys"),
        (STATEFUL_SET, "box"),
    ):
        before = api.get(resource, space.namespace, name)
        assert before is not None
        begun = time.monotonic()
        api.delete(resource, space.namespace, name)

        def is_new(resource: Resource = resource, name: str = name, old: Object = before) -> bool:
            now = api.get(resource, space.namespace, name)
            return now is not None and now["metadata"]["uid"] != old["metadata"]["uid"]

        eventually(is_new, f"{resource.kind} {name} is back", SOON_S)
        taken.append(time.monotonic() - begun)
    print(f"deleted until back: median {statistics.median(taken):.2f} s of {[round(s, 2) for s in taken]}")
    # All of them at once, too.
    for child in guard.children_of(box["metadata"]["uid"]):
        resource = {"ConfigMap": CONFIG_MAP, "Service": SERVICE, "Secret": SECRET}.get(child[0], STATEFUL_SET)
        api.delete(resource, space.namespace, child[1])
    eventually(lambda: len(guard.children_of(box["metadata"]["uid"])) == 5, "all are back", SOON_S)
    settle(operator, space)
    guard.check()


def test_an_edit_of_the_spec_and_the_loss_of_a_child_at_once_are_one_matter(
    operator: Operator, space: Space, guard: Guard, api: Api, box: Object
) -> None:
    with operator.proxy.hang():
        api.delete(CONFIG_MAP, space.namespace, "box-sshd")
        space.patch("box", lifecycle={"timeToLive": "3h"}, image="local/busybox:2")
    settle(operator, space)
    guard.check()


# --- observe


def drifted(space: Space) -> Object:
    return condition(space.get("box") or {}, "Drifted")


def test_where_drift_is_observed_it_is_named_and_left(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box", driftPolicy="Observe")
    space.await_applied("box")
    ours = value(api.get(CONFIG_MAP, space.namespace, "box-sshd"), "data.sshd_config")
    api.patch(CONFIG_MAP, space.namespace, "box-sshd", {"data": {"sshd_config": "theirs"}})
    told = eventually(lambda: drifted(space), "it is told of", SOON_S)
    assert told["reason"] == "DriftObserved"
    assert "box-sshd" in told["message"]
    assert "sshd_config" in told["message"]
    await_quiet(operator.proxy)
    assert value(api.get(CONFIG_MAP, space.namespace, "box-sshd"), "data.sshd_config") == "theirs"

    api.delete(SERVICE, space.namespace, "box-ssh")
    eventually(lambda: "box-ssh" in drifted(space).get("message", ""), "the lost child is told of", SOON_S)
    await_quiet(operator.proxy)
    assert api.get(SERVICE, space.namespace, "box-ssh") is None

    space.patch("box", driftPolicy="Repair")
    eventually(lambda: api.get(SERVICE, space.namespace, "box-ssh"), "it is back", SOON_S)
    eventually(
        lambda: value(api.get(CONFIG_MAP, space.namespace, "box-sshd"), "data.sshd_config") == ours,
        "the field is put back",
        SOON_S,
    )
    eventually(lambda: not drifted(space), "nothing is told any more", SOON_S)
    settle(operator, space)
    guard.check()


# --- fights


@contextmanager
def insisting(act: Callable[[], None]) -> Iterator[None]:
    """Someone who does this again and again, until the block ends."""
    ended = threading.Event()

    def insist() -> None:
        while not ended.wait(0.05):
            try:
                act()
            except ApiError as error:
                if error.code not in (404, 409):
                    raise

    thread = threading.Thread(target=insist, name="insists")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_fight_over_a_field_ends_in_a_condition_that_names_it(
    operator: Operator, space: Space, guard: Guard, api: Api, box: Object
) -> None:
    ours = value(api.get(STATEFUL_SET, space.namespace, "box"), "spec.replicas")
    runs = operator.runs("box")

    def take() -> None:
        if value(api.get(STATEFUL_SET, space.namespace, "box"), "spec.replicas") == ours:
            api.patch(STATEFUL_SET, space.namespace, "box", {"spec": {"replicas": 2}})

    with insisting(take):
        told = eventually(
            lambda: drifted(space) if drifted(space).get("reason") == "DriftContested" else None,
            "the fight is given up",
        )
        assert "spec.replicas" in told["message"]
        await_quiet(operator.proxy, quiet_s=2)
        fought = operator.runs("box") - runs
        assert fought <= REPAIR_ROUNDS + 2, f"{fought} runs"
        assert value(api.get(STATEFUL_SET, space.namespace, "box"), "spec.replicas") == 2

        # Neither other resources nor other fields of this one suffer from it.
        space.create("other")
        space.await_applied("other", timeout_s=SOON_S)
        api.delete(CONFIG_MAP, space.namespace, "box-sshd")
        eventually(lambda: api.get(CONFIG_MAP, space.namespace, "box-sshd"), "another thing is put back")
    # Whoever insisted is gone; a change of the spec takes it all up again.
    space.patch("box", image="local/busybox:2")
    eventually(
        lambda: value(api.get(STATEFUL_SET, space.namespace, "box"), "spec.replicas") == ours,
        "it is as we want it",
        SOON_S,
    )
    eventually(lambda: not drifted(space), "nothing is told any more", SOON_S)
    settle(operator, space)
    guard.check()


@pytest.mark.full
def test_a_fight_over_the_existence_of_a_child_ends_too(
    operator: Operator, space: Space, guard: Guard, api: Api, box: Object
) -> None:
    runs = operator.runs("box")
    with insisting(lambda: api.delete(CONFIG_MAP, space.namespace, "box-sshd")):
        told = eventually(
            lambda: drifted(space) if drifted(space).get("reason") == "DriftContested" else None,
            "the fight is given up",
        )
        assert "box-sshd" in told["message"]
        await_quiet(operator.proxy, quiet_s=2)
        assert operator.runs("box") - runs <= REPAIR_ROUNDS + 2
    space.patch("box", lifecycle={"timeToLive": "3h"})
    eventually(lambda: not drifted(space), "nothing is told any more", SOON_S)
    settle(operator, space)
    guard.check()
