"""The state store against a real API server: writers that meet, and the largest Secret."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from crds.resources import SECRET
from reconciler.kube.client import Client, connect
from reconciler.kube.objects import Key
from reconciler.state import checkpoint
from reconciler.state.run_claim import Epoch, Term
from reconciler.state.store import MAX_BYTES, StackId, StateStore
from reconciler.status.errors import StalledError, TransientError
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Owner
from tests.shared_cluster import SYSTEM_NAMESPACE
from tests.unit.state.test_checkpoint import entry, state

pytestmark = pytest.mark.cluster


@pytest.fixture
async def live(_as_the_reconciler: None) -> AsyncIterator[Client]:
    """The API server under the reconciler's identity."""
    async with connect() as cluster:
        yield cluster


@pytest.fixture
async def store(live: Client) -> StateStore:
    return StateStore(live, SYSTEM_NAMESPACE, "salt", lambda: Term("one_token", Epoch("2030", 1)))


@pytest.fixture
async def id(namespace: str, store: StateStore) -> AsyncIterator[StackId]:
    """A stack of no resource. Its key is of a kind that no reconciler works on."""
    id = StackId(Key("StoreTest", namespace, "box"), namespace)
    yield id
    await store.delete(id, await store.load(id))


def content(id: StackId, **more: str) -> bytes:
    child = DevServerChildren.of(Owner("DevServer", id.key.namespace, "box", id.uid)).sshd
    return state(entry(child), stack=id.stack, **more)


async def test_of_many_writers_that_read_the_same_state_one_wins(store: StateStore, id: StackId) -> None:
    await store.save(id, content(id), await store.load(id))
    before = await store.load(id)
    writes = [store.save(id, content(id, writer=str(number)), before) for number in range(8)]
    done = await asyncio.gather(*writes, return_exceptions=True)
    lost = [error for error in done if isinstance(error, BaseException)]
    assert [type(error) for error in lost] == [TransientError] * 7
    assert {error.reason for error in lost if isinstance(error, TransientError)} == {"StateConflict"}
    (winner,) = [number for number, error in enumerate(done) if not isinstance(error, BaseException)]
    assert json.loads((await store.load(id)).checkpoint)["checkpoint"]["latest"]["writer"] == str(winner)


async def test_of_many_that_claim_a_new_stack_one_wins(store: StateStore, id: StackId) -> None:
    found = await store.load(id)
    stores = [
        replace(store, term=lambda number=number: Term(f"r{number}_token", Epoch("2030", 1)))
        for number in range(8)
    ]
    done = await asyncio.gather(*(one.claim(id, found) for one in stores), return_exceptions=True)
    assert sum(isinstance(error, TransientError) for error in done) == 7
    held = (await store.load(id)).claim
    assert held is not None
    (winner,) = [number for number, error in enumerate(done) if not isinstance(error, BaseException)]
    assert held.holder == f"r{winner}_token"


async def test_who_was_overtaken_can_neither_save_nor_claim(store: StateStore, id: StackId) -> None:
    lost = await store.claim(id, await store.load(id))
    later = replace(store, term=lambda: Term("two_token", Epoch("2030", 2)))
    claimed = await later.claim(id, await later.load(id))
    with pytest.raises(TransientError):
        await store.save(id, content(id), lost)
    with pytest.raises(TransientError, match="claimed by two_token"):
        await store.claim(id, await store.load(id))
    await later.save(id, content(id), claimed)
    assert (await store.load(id)).claim is None


async def test_a_state_that_was_deleted_while_a_run_held_it_is_a_conflict(
    store: StateStore, id: StackId
) -> None:
    held = await store.claim(id, await store.load(id))
    await store.delete(id, held)
    with pytest.raises(TransientError):
        await store.save(id, content(id), held)


async def test_the_largest_state_fits_and_a_larger_one_is_refused_before_it_is_written(
    live: Client, store: StateStore, id: StackId
) -> None:
    def filled(size: int) -> bytes:
        # Text of random letters is packed to six bits each.
        letters = random.Random(1).choices(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=size
        )
        return content(id, filling="".join(letters))

    largest = filled(int(MAX_BYTES * 1.3))
    await store.save(id, largest, await store.load(id))
    assert (await store.load(id)).checkpoint == largest
    with pytest.raises(StalledError):
        await store.save(id, filled(int(MAX_BYTES * 1.4)), await store.load(id))
    assert (await store.load(id)).checkpoint == largest
    secret = await live.get(SECRET, SYSTEM_NAMESPACE, id.secret_name)
    assert secret is not None
    assert len(secret["data"]["checkpoint.json.gz"]) > MAX_BYTES, "near the bound"


async def test_a_stack_that_never_ran_has_an_empty_state(store: StateStore, id: StackId) -> None:
    assert (await store.load(id)).checkpoint == checkpoint.empty(id.stack)
