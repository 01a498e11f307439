"""What is stored is damaged, lost or another's: the children are adopted, nothing is orphaned."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crds.resources import SECRET
from reconciler.controller.workqueue import Key
from reconciler.state.diagnosis import DATA
from reconciler.state.encryption_keys import SECRET_NAME
from reconciler.state.store import StackId
from tests.e2e.kube import eventually
from tests.faults.harness import Operator, Space, await_quiet
from tests.faults.invariants import Guard
from tests.faults.kubeapi import Api, Object
from tests.shared_cluster import SYSTEM_NAMESPACE, SharedCluster

HOME = {"size": "1Mi", "onDelete": "Retain"}
Damage = Callable[[Object], str | None]


@pytest.fixture(scope="module")
def operator(cluster: SharedCluster) -> Iterator[Operator]:
    """One operator for all of these: one damaged state must not harm what follows."""
    with Operator.running(cluster) as operator:
        yield operator


def unpacked(secret: Object) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(secret["data"][DATA])))


def packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode()


def truncated(secret: Object) -> str:
    content = base64.b64decode(secret["data"][DATA])
    return base64.b64encode(content[: len(content) // 2]).decode()


def truncated_before_it_was_packed(secret: Object) -> str:
    content = json.dumps(unpacked(secret)).encode()
    return packed(content[: len(content) // 2])


def of_another_stack(secret: Object) -> str:
    return packed(json.dumps(unpacked(secret)).replace(_uid(secret), "another-uid").encode())


def of_another_passphrase(secret: Object) -> str:
    document = unpacked(secret)
    state = document["checkpoint"]["latest"]["secrets_providers"]["state"]
    assert state["salt"].startswith("v1:")
    state["salt"] = "v1:AAAAAAAAAAA=:v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
    return packed(json.dumps(document).encode())


def _uid(secret: Object) -> str:
    return str(json.loads(secret["metadata"]["annotations"]["devserver.io/state-of"])["uid"])


DAMAGES: dict[str, Damage] = {
    "truncated": truncated,
    "truncated inside": truncated_before_it_was_packed,
    "empty": lambda secret: "",
    "packed emptiness": lambda secret: packed(b""),
    "not JSON": lambda secret: packed(b"\x00not JSON"),
    "other JSON": lambda secret: packed(b'["a list"]'),
    "no data": lambda secret: None,
    "of another stack": of_another_stack,
    "of another passphrase": of_another_passphrase,
}
# In the short form, one of each sort.
SHORT = {"truncated", "of another passphrase"}
EACH_DAMAGE = pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, id=name, marks=[] if name in SHORT else [pytest.mark.full])
        for name, damage in DAMAGES.items()
    ],
)


def state_name(devserver: Object) -> str:
    meta = devserver["metadata"]
    return StackId(Key("DevServer", meta["namespace"], meta["name"]), meta["uid"]).secret_name


def spoil(api: Api, name: str, damage: Damage) -> None:
    """Damage the checkpoint in a state Secret."""
    secret = api.get(SECRET, SYSTEM_NAMESPACE, name)
    assert secret is not None
    api.patch(SECRET, SYSTEM_NAMESPACE, name, {"data": {DATA: damage(secret)}})


def are_readable(guard: Guard) -> bool:
    """Whether every state of the namespace holds children."""
    try:
        return all(state.children for state in guard.states())
    except (ValueError, OSError, EOFError):
        return False


@EACH_DAMAGE
def test_a_damaged_state_is_replaced_by_adoption_at_once(
    operator: Operator, space: Space, guard: Guard, api: Api, damage: Damage
) -> None:
    box = space.create("box", home=HOME)
    space.await_applied("box")
    guard.note_host_keys()
    before = guard.children_of(box["metadata"]["uid"])

    spoil(api, state_name(box), damage)
    eventually(lambda: are_readable(guard), "the state is whole again")
    await_quiet(operator.proxy)
    assert guard.children_of(box["metadata"]["uid"]) == before
    guard.check()

    space.patch("box", image="local/busybox:2")
    space.await_applied("box")
    guard.check()


@EACH_DAMAGE
def test_a_devserver_whose_state_is_damaged_goes_without_leaving_anything(
    operator: Operator, space: Space, guard: Guard, api: Api, damage: Damage
) -> None:
    box = space.create("box", home=HOME)
    space.await_applied("box")
    # Nothing is to be mended before the deletion: both reach the operator together.
    with operator.proxy.hang():
        spoil(api, state_name(box), damage)
        space.delete("box")
    space.await_gone("box")
    eventually(lambda: not guard.states(), "its state is gone too")
    assert guard.children_of(box["metadata"]["uid"]) == set()
    guard.check()


def test_a_deleted_state_is_made_anew(operator: Operator, space: Space, guard: Guard, api: Api) -> None:
    box = space.create("box", home=HOME)
    space.await_applied("box")
    guard.note_host_keys()
    for _ in range(3):
        api.delete(SECRET, SYSTEM_NAMESPACE, state_name(box))
        eventually(lambda: len(guard.states()) == 1, "there is a state again")
        await_quiet(operator.proxy)
    guard.check()


def test_a_devserver_whose_state_is_deleted_goes_without_leaving_anything(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    box = space.create("box", home=HOME)
    space.await_applied("box")
    with operator.proxy.hang():
        api.delete(SECRET, SYSTEM_NAMESPACE, state_name(box))
        space.delete("box")
    space.await_gone("box")
    eventually(lambda: not guard.states(), "its state is gone too")
    assert guard.children_of(box["metadata"]["uid"]) == set()
    guard.check()


def test_a_state_that_was_copied_to_another_name_harms_no_one(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    box = space.create("box")
    space.await_applied("box")
    secret = api.get(SECRET, SYSTEM_NAMESPACE, state_name(box))
    assert secret is not None
    kept = ("labels", "annotations")
    copy = secret | {
        "metadata": {name: secret["metadata"][name] for name in kept}
        | {"name": f"copy-of-{state_name(box)}", "namespace": SYSTEM_NAMESPACE}
    }
    api.create(SECRET, copy)
    try:
        space.patch("box", image="local/busybox:2")
        space.await_applied("box")
    finally:
        api.delete(SECRET, SYSTEM_NAMESPACE, copy["metadata"]["name"])
    guard.check()


def test_lost_keys_end_in_new_ones_and_no_devserver_changes(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    for name in ("one", "two"):
        space.create(name, home=HOME)
    space.await_applied()
    guard.note_host_keys()
    lost = api.get(SECRET, SYSTEM_NAMESPACE, SECRET_NAME)
    api.delete(SECRET, SYSTEM_NAMESPACE, SECRET_NAME)
    # The running operator goes on with those that it has.
    space.create("three")
    space.await_applied("three")
    operator.restart()
    found = api.get(SECRET, SYSTEM_NAMESPACE, SECRET_NAME)
    assert found is not None
    assert lost is not None
    eventually(lambda: are_readable(guard), "all states can be read")
    space.patch("one", image="local/busybox:2")
    space.create("four")
    space.await_applied()
    await_quiet(operator.proxy)
    guard.check()
    for name in ("one", "two", "three", "four"):
        space.delete(name)
    space.await_gone()
    guard.check()
