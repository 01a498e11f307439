"""State Secrets: packing, reading back, and writers that meet."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from reconciler.kube.client import ApiError, Client
from reconciler.state import checkpoint as checkpoints
from reconciler.state.diagnosis import Problem, Unusable
from reconciler.state.index import StateIndex, StateRecord
from reconciler.state.run_claim import CutShort, Epoch, Term
from reconciler.state.store import MAX_BYTES, StackId, StateStore, StoredState
from reconciler.status.errors import StalledError, TransientError
from stacks.devserver.program import DevServerChildren
from tests.builders import CREATED, TERM, owner, stack_id
from tests.fake_client import FakeClient
from tests.unit.state.test_checkpoint import entry, state
from tests.unit.state.test_diagnosis import SALT, UNUSABLE, damaged

Object = dict[str, Any]
ID = stack_id()
KINDS = {"DevServer", "DevServerFlavor"}
INDEX = StateIndex(KINDS, SALT)
SSHD = DevServerChildren.of(owner()).sshd
CONTENT = state(entry(SSHD))
NOTHING_STORED = StoredState(checkpoints.empty(ID.stack), "", Unusable(Problem.MISSING, "it does not exist"))


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def store(client: FakeClient) -> StateStore:
    return StateStore(cast(Client, client), "devserver-system", salt=SALT, term=lambda: TERM)


def test_names_of_a_stack_say_the_kind_and_the_life() -> None:
    assert (ID.stack, ID.secret_name) == ("devserver-uid-box", "state-devserver-uid-box")


async def test_what_was_saved_is_read_back(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    assert (await store.load(ID)).checkpoint == CONTENT


async def test_without_a_secret_the_state_is_empty(store: StateStore) -> None:
    assert await store.load(ID) == NOTHING_STORED


async def test_a_saved_secret_says_whose_state_it_is_and_which_children_it_has(store: StateStore) -> None:
    secret = await store.save(ID, CONTENT, NOTHING_STORED)
    known = INDEX.record(secret)
    assert (known.id, known.children) == (ID, {SSHD})
    assert secret["metadata"]["labels"]["devserver.io/state"] == "checkpoint"
    assert secret["type"] == "devserver.io/pulumi-state"


async def test_a_state_is_written_over_the_one_that_was_read(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    await store.save(ID, checkpoints.empty(ID.stack), await store.load(ID))
    assert (await store.load(ID)).checkpoint == checkpoints.empty(ID.stack)


async def test_of_two_writers_that_read_the_same_state_one_fails(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    first = second = await store.load(ID)
    await store.save(ID, CONTENT, first)
    with pytest.raises(TransientError, match="was changed by someone else"):
        await store.save(ID, CONTENT, second)


async def test_of_two_writers_that_found_none_one_fails(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    with pytest.raises(TransientError) as error:
        await store.save(ID, CONTENT, NOTHING_STORED)
    assert error.value.reason == "StateConflict"


async def test_a_claim_on_a_new_stack_is_a_secret_without_a_checkpoint(
    store: StateStore, client: FakeClient
) -> None:
    claimed = await store.claim(ID, await store.load(ID))
    (secret,) = client.objects.values()
    assert INDEX.record(secret) == StateRecord(ID, None, claimed=True)
    assert claimed == await store.load(ID)
    assert claimed.checkpoint == checkpoints.empty(ID.stack)


async def test_a_claim_leaves_the_checkpoint_and_saving_takes_the_claim_off(
    store: StateStore, client: FakeClient
) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    claimed = await store.claim(ID, await store.load(ID))
    assert claimed == await store.load(ID)
    (secret,) = client.objects.values()
    assert INDEX.record(secret) == StateRecord(ID, frozenset({SSHD}), claimed=True)
    assert INDEX.record(await store.save(ID, CONTENT, claimed)) == StateRecord(ID, frozenset({SSHD}))


async def test_of_two_runs_on_one_state_only_one_begins(store: StateStore) -> None:
    found = await store.load(ID)
    await store.claim(ID, found)
    with pytest.raises(TransientError) as error:
        await store.claim(ID, found)
    assert error.value.reason == "StateConflict"


async def test_who_lost_the_claim_cannot_save(store: StateStore) -> None:
    lost = await store.claim(ID, await store.load(ID))
    later = replace(store, term=lambda: Term("another", Epoch(CREATED, TERM.epoch.transitions + 1)))
    await later.claim(ID, await later.load(ID))
    with pytest.raises(TransientError, match="was changed by someone else"):
        await store.save(ID, CONTENT, lost)


async def test_a_state_that_was_deleted_meanwhile_is_a_conflict(
    store: StateStore, client: FakeClient
) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    before = await store.load(ID)
    await store.delete(ID, NOTHING_STORED)
    assert client.objects == {}
    with pytest.raises(TransientError):
        await store.save(ID, CONTENT, before)


async def test_a_secret_that_the_admission_policy_takes_for_someone_elses_is_named(
    store: StateStore,
) -> None:
    class Refusing(FakeClient):
        async def patch(self, *_: Any, **__: Any) -> Object:
            raise ApiError(403, "Forbidden", f"Secret {ID.secret_name} belongs to someone else (policy)")

    store = replace(store, client=cast(Client, Refusing()))
    await store.save(ID, CONTENT, NOTHING_STORED)
    with pytest.raises(StalledError, match="Put the label back or delete that Secret") as error:
        await store.claim(ID, await store.load(ID))
    assert error.value.reason == "NameConflict"


async def test_deleting_what_is_gone_is_fine(store: StateStore) -> None:
    await store.delete(ID, NOTHING_STORED)


async def test_a_state_that_does_not_fit_says_so_before_it_is_written(
    store: StateStore, client: FakeClient
) -> None:
    noise = random.Random(1).randbytes(MAX_BYTES + 1)
    with pytest.raises(StalledError, match=f"more than the {MAX_BYTES} that a Secret can hold") as error:
        await store.save(ID, noise, NOTHING_STORED)
    assert error.value.reason == "StateTooLarge"
    assert client.objects == {}


async def test_the_largest_state_fits_into_a_secret(store: StateStore) -> None:
    noise = random.Random(1).randbytes(MAX_BYTES - 1000)
    secret = await store.save(ID, noise, NOTHING_STORED)
    assert len(json.dumps(secret)) < 2**20


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_watch_and_run_agree_on_a_state_that_cannot_be_used_and_it_can_be_replaced(
    content: bytes | str | None, store: StateStore, client: FakeClient
) -> None:
    secret = await store.save(ID, CONTENT, NOTHING_STORED)
    spoilt = damaged(secret, content)
    client.put(spoilt)
    known, found = INDEX.record(spoilt), await store.load(ID)
    assert (known.id, known.children) == (ID, None)
    assert found.unusable is not None
    assert found.checkpoint == checkpoints.empty(ID.stack)
    await store.save(ID, CONTENT, found)
    assert await store.load(ID) == replace(await store.load(ID), checkpoint=CONTENT, unusable=None)


def test_cluster_scoped_resources_have_states_too() -> None:
    id = StackId(stack_id("gpu", "DevServerFlavor").key, "u-1")
    assert id.secret_name == "state-devserverflavor-u-1"


# --- an external backend


class FakeExternalStore:
    """Holds checkpoints by stack."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.cut_short: list[object] = []

    async def fetch(self, stack: str) -> bytes | Unusable:
        return self.held.get(stack, Unusable(Problem.MISSING, "it does not exist"))

    async def put(self, stack: str, checkpoint: bytes) -> None:
        self.held[stack] = checkpoint

    async def remove(self, stack: str, cut_short: Sequence[CutShort]) -> None:
        self.held.pop(stack, None)
        self.cut_short += cut_short


@pytest.fixture
def external() -> FakeExternalStore:
    return FakeExternalStore()


@pytest.fixture
def outside(store: StateStore, external: FakeExternalStore) -> StateStore:
    """A store whose checkpoints are in an external backend."""
    return replace(store, external=external)


async def test_with_an_external_backend_the_secret_holds_an_outline(
    outside: StateStore, store: StateStore, external: FakeExternalStore
) -> None:
    secret = await outside.save(ID, CONTENT, NOTHING_STORED)
    assert StateIndex(KINDS, SALT, outlines=True).record(secret).children == {SSHD}
    assert INDEX.record(secret).children is None, "without the backend it is no state"
    assert (await store.load(ID)).unusable is not None


async def test_with_an_external_backend_the_checkpoint_is_the_backends(
    outside: StateStore, external: FakeExternalStore
) -> None:
    await outside.save(ID, CONTENT, NOTHING_STORED)
    assert (await outside.load(ID)).unusable == Unusable(Problem.MISSING, "it does not exist")
    external.held[ID.stack] = state(entry(SSHD), pending_operations=[{"type": "creating"}])
    found = await outside.load(ID)
    assert (found.checkpoint, found.unusable) == (CONTENT, None)
    external.held[ID.stack] = state(secrets_providers={"state": {"salt": "v1:lost"}})
    found = await outside.load(ID)
    assert found.checkpoint == checkpoints.empty(ID.stack)
    assert found.unusable is not None
    assert found.unusable.problem is Problem.KEYS_LOST


async def test_what_is_kept_in_place_of_what_a_run_left_is_the_backends_too(
    outside: StateStore, external: FakeExternalStore
) -> None:
    await outside.save(ID, CONTENT, NOTHING_STORED, after_run=CONTENT)
    assert external.held == {}, "the run itself has written it"
    await outside.save(ID, CONTENT, await outside.load(ID), after_run=state())
    assert external.held == {ID.stack: CONTENT}


async def test_a_claim_remembers_the_runs_of_earlier_leaders_that_were_cut_short(
    outside: StateStore, external: FakeExternalStore
) -> None:
    """Their locks may be left in the backend."""
    for number in range(3):
        later = Term(f"reconciler-{number}_token", Epoch(CREATED, number))
        store = replace(outside, term=lambda term=later: term)
        claimed = await store.claim(ID, await store.load(ID))
    assert [run.host for run in claimed.cut_short] == ["reconciler-0", "reconciler-1"]
    assert (await store.claim(ID, await store.load(ID))).cut_short == claimed.cut_short, "a try of our own"
    await store.delete(ID, claimed)
    assert tuple(external.cut_short) == claimed.cut_short
    assert external.held == {}
