"""What the watch of the state Secrets shows."""

import json
from copy import deepcopy
from typing import Any, cast

import pytest

from reconciler.kube.client import Client
from reconciler.state.index import StateIndex
from reconciler.state.store import StackId, StateStore
from stacks.devserver.program import DevServerChildren
from tests.builders import TERM, owner, stack_id
from tests.fake_client import FakeClient
from tests.unit.state.test_checkpoint import entry, state

Object = dict[str, Any]
SALT = "v1:salt"
ID = stack_id()
SSHD = DevServerChildren.of(owner()).sshd
CONTENT = state(entry(SSHD))


@pytest.fixture
def index() -> StateIndex:
    return StateIndex({"DevServer", "DevServerFlavor"}, SALT)


async def state_secret(id: StackId = ID) -> Object:
    store = StateStore(cast(Client, FakeClient()), "devserver-system", SALT, lambda: TERM)
    return await store.save(id, state(entry(SSHD), stack=id.stack), store.of_new(id))


async def test_a_state_is_known_by_key_and_life(index: StateIndex) -> None:
    assert index.of(ID.key) == {}
    assert index.changed(None, await state_secret()) == ID.key
    assert index.of(ID.key)[ID.uid].children == {SSHD}


async def test_what_the_watch_keeps_is_a_secret_without_its_data(index: StateIndex) -> None:
    secret = await state_secret()
    index.changed(None, secret)
    assert "data" not in secret
    assert secret["metadata"]["name"] == ID.secret_name


async def test_a_state_that_changed_takes_the_place_of_the_earlier_one(index: StateIndex) -> None:
    first, second = await state_secret(), await state_secret()
    second["data"] = {}
    index.changed(None, first)
    assert index.changed(first, second) == ID.key
    assert {uid: record.children for uid, record in index.of(ID.key).items()} == {ID.uid: None}


async def test_each_life_of_a_name_has_a_state_of_its_own_until_that_is_deleted(index: StateIndex) -> None:
    earlier = StackId(ID.key, "uid-of-an-earlier-life")
    one, other = await state_secret(), await state_secret(earlier)
    for secret in (one, other):
        index.changed(None, secret)
    assert index.of(ID.key).keys() == {ID.uid, earlier.uid}
    assert index.changed(one, None) == ID.key
    assert index.of(ID.key).keys() == {earlier.uid}
    assert index.changed(other, None) == ID.key
    assert index.of(ID.key) == {}


async def test_the_deletion_of_a_state_that_is_not_known_is_told_too(index: StateIndex) -> None:
    assert index.changed(await state_secret(), None) == ID.key
    assert index.of(ID.key) == {}


async def test_the_size_of_all_states_is_that_of_the_packed_checkpoints(index: StateIndex) -> None:
    assert index.packed_bytes == 0
    secret = await state_secret()
    (data,) = secret["data"].values()
    index.changed(None, deepcopy(secret))
    once = index.packed_bytes
    assert abs(once - len(data) * 3 / 4) < 3
    index.changed(None, await state_secret(stack_id("gpu", "DevServerFlavor")))
    both = index.packed_bytes
    assert both > once
    index.changed(secret, None)
    assert index.packed_bytes == both - once


@pytest.mark.parametrize("annotations", [{}, {"devserver.io/state-of": "{}"}])
async def test_a_secret_that_does_not_say_whose_state_it_is_concerns_nobody(
    index: StateIndex, annotations: Object
) -> None:
    secret = await state_secret()
    secret["metadata"]["annotations"] = annotations
    assert index.changed(None, secret) is None
    assert index.of(ID.key) == {}


async def test_a_state_whose_data_cannot_be_read_is_known_without_children(index: StateIndex) -> None:
    secret = await state_secret()
    secret["data"] = {"checkpoint.json.gz": "H4sIAAAAAAAA/////w=="}
    assert index.changed(None, secret) == ID.key
    assert index.of(ID.key)[ID.uid].children is None


@pytest.mark.parametrize(
    "annotations", [{}, {"devserver.io/state-of": "null"}, {"devserver.io/state-of": "{"}]
)
def test_a_secret_that_does_not_say_whose_state_it_is_is_an_error(
    annotations: Object, index: StateIndex
) -> None:
    with pytest.raises(ValueError, match=r"."):
        index.record({"metadata": {"name": "s", "annotations": annotations}, "data": {}})


async def test_a_copy_under_another_name_is_nobodys_state(index: StateIndex) -> None:
    """Else the life of the copy would be taken for that of the state."""
    secret = await state_secret()
    secret["metadata"]["name"] = "backup"
    with pytest.raises(ValueError, match=f"a copy of {ID.secret_name}"):
        index.record(secret)


def test_a_state_of_an_unknown_kind_is_an_error(index: StateIndex) -> None:
    """No pass could do anything with its key."""
    described = {"kind": "Pod", "namespace": "dev-ada", "name": "box", "uid": "u"}
    metadata = {"name": "state-pod-u", "annotations": {"devserver.io/state-of": json.dumps(described)}}
    with pytest.raises(ValueError, match="no kind of ours"):
        index.record({"metadata": metadata})
