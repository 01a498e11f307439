"""State Secrets: packing, reading back, and writers that meet."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from reconciler import checkpoint
from reconciler.cluster import Cluster, ClusterError
from reconciler.errors import Stalled, Transient
from reconciler.locks import CutShort
from reconciler.state import MAX_BYTES, StackId, StateRecord, StateStore, StoredState
from reconciler.state_problems import Problem, Unusable
from reconciler.term import Epoch, Term
from stacks.devserver import DevServerChildren
from tests.builders import CREATED, TERM, owner, stack_id
from tests.fake_cluster import FakeCluster
from tests.unit.test_reconciler_checkpoint import entry, state
from tests.unit.test_reconciler_state_problems import SALT, UNUSABLE, damaged

Object = dict[str, Any]
ID = stack_id()
SSHD = DevServerChildren.of(owner()).sshd
CONTENT = state(entry(SSHD))
NOTHING_STORED = StoredState(checkpoint.empty(ID.stack), "", Unusable(Problem.MISSING, "it does not exist"))


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def store(cluster: FakeCluster) -> StateStore:
    return StateStore(cast(Cluster, cluster), "devserver-system", salt=SALT, term=lambda: TERM)


def test_names_of_a_stack_say_the_kind_and_the_life() -> None:
    assert (ID.stack, ID.secret_name) == ("devserver-uid-box", "state-devserver-uid-box")


async def test_what_was_saved_is_read_back(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    assert (await store.load(ID)).checkpoint == CONTENT


async def test_without_a_secret_the_state_is_empty(store: StateStore) -> None:
    assert await store.load(ID) == NOTHING_STORED


async def test_a_saved_secret_says_whose_state_it_is_and_which_children_it_has(store: StateStore) -> None:
    secret = await store.save(ID, CONTENT, NOTHING_STORED)
    known = store.record(secret)
    assert (known.id, known.children) == (ID, {SSHD})
    assert secret["metadata"]["labels"]["devserver.io/state"] == "checkpoint"
    assert secret["type"] == "devserver.io/pulumi-state"


async def test_a_state_is_written_over_the_one_that_was_read(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    await store.save(ID, checkpoint.empty(ID.stack), await store.load(ID))
    assert (await store.load(ID)).checkpoint == checkpoint.empty(ID.stack)


async def test_of_two_writers_that_read_the_same_state_one_fails(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    first = second = await store.load(ID)
    await store.save(ID, CONTENT, first)
    with pytest.raises(Transient, match="was changed by someone else"):
        await store.save(ID, CONTENT, second)


async def test_of_two_writers_that_found_none_one_fails(store: StateStore) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    with pytest.raises(Transient) as error:
        await store.save(ID, CONTENT, NOTHING_STORED)
    assert error.value.reason == "StateConflict"


async def test_a_claim_on_a_new_stack_is_a_secret_without_a_checkpoint(
    store: StateStore, cluster: FakeCluster
) -> None:
    claimed = await store.claim(ID, await store.load(ID))
    (secret,) = cluster.objects.values()
    assert store.record(secret) == StateRecord(ID, None, claimed=True)
    assert claimed == await store.load(ID)
    assert claimed.checkpoint == checkpoint.empty(ID.stack)


async def test_a_claim_leaves_the_checkpoint_and_saving_takes_the_claim_off(
    store: StateStore, cluster: FakeCluster
) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    claimed = await store.claim(ID, await store.load(ID))
    assert claimed == await store.load(ID)
    (secret,) = cluster.objects.values()
    assert store.record(secret) == StateRecord(ID, frozenset({SSHD}), claimed=True)
    assert store.record(await store.save(ID, CONTENT, claimed)) == StateRecord(ID, frozenset({SSHD}))


async def test_of_two_runs_on_one_state_only_one_begins(store: StateStore) -> None:
    found = await store.load(ID)
    await store.claim(ID, found)
    with pytest.raises(Transient) as error:
        await store.claim(ID, found)
    assert error.value.reason == "StateConflict"


async def test_who_lost_the_claim_cannot_save(store: StateStore) -> None:
    lost = await store.claim(ID, await store.load(ID))
    later = replace(store, term=lambda: Term("another", Epoch(CREATED, TERM.epoch.transitions + 1)))
    await later.claim(ID, await later.load(ID))
    with pytest.raises(Transient, match="was changed by someone else"):
        await store.save(ID, CONTENT, lost)


async def test_a_state_that_was_deleted_meanwhile_is_a_conflict(
    store: StateStore, cluster: FakeCluster
) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)
    before = await store.load(ID)
    await store.delete(ID, NOTHING_STORED)
    assert cluster.objects == {}
    with pytest.raises(Transient):
        await store.save(ID, CONTENT, before)


async def test_a_secret_that_the_admission_policy_takes_for_someone_elses_is_named(
    store: StateStore, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.save(ID, CONTENT, NOTHING_STORED)

    async def refuse(*_: Any) -> Object:
        raise ClusterError(403, "Forbidden", f"Secret {ID.secret_name} belongs to someone else (policy)")

    monkeypatch.setattr(cluster, "patch", refuse)
    with pytest.raises(Stalled, match="Put the label back or delete that Secret") as error:
        await store.claim(ID, await store.load(ID))
    assert error.value.reason == "NameConflict"


async def test_deleting_what_is_gone_is_fine(store: StateStore) -> None:
    await store.delete(ID, NOTHING_STORED)


async def test_a_state_that_does_not_fit_says_so_before_it_is_written(
    store: StateStore, cluster: FakeCluster
) -> None:
    noise = random.Random(1).randbytes(MAX_BYTES + 1)
    with pytest.raises(Stalled, match=f"more than the {MAX_BYTES} that a Secret can hold") as error:
        await store.save(ID, noise, NOTHING_STORED)
    assert error.value.reason == "StateTooLarge"
    assert cluster.objects == {}


async def test_the_largest_state_fits_into_a_secret(store: StateStore) -> None:
    noise = random.Random(1).randbytes(MAX_BYTES - 1000)
    secret = await store.save(ID, noise, NOTHING_STORED)
    assert len(json.dumps(secret)) < 2**20


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_watch_and_run_agree_on_a_state_that_cannot_be_used_and_it_can_be_replaced(
    content: bytes | str | None, store: StateStore, cluster: FakeCluster
) -> None:
    secret = await store.save(ID, CONTENT, NOTHING_STORED)
    spoilt = damaged(secret, content)
    cluster.put(spoilt)
    known, found = store.record(spoilt), await store.load(ID)
    assert (known.id, known.children) == (ID, None)
    assert found.unusable is not None
    assert found.checkpoint == checkpoint.empty(ID.stack)
    await store.save(ID, CONTENT, found)
    assert await store.load(ID) == replace(await store.load(ID), checkpoint=CONTENT, unusable=None)


@pytest.mark.parametrize(
    "annotations", [{}, {"devserver.io/state-of": "null"}, {"devserver.io/state-of": "{"}]
)
def test_a_secret_that_does_not_say_whose_state_it_is_is_an_error(
    annotations: Object, store: StateStore
) -> None:
    with pytest.raises(ValueError, match=r"."):
        store.record({"metadata": {"name": "s", "annotations": annotations}, "data": {}})


async def test_a_copy_under_another_name_is_nobodys_state(store: StateStore) -> None:
    """Else the life of the copy would be taken for that of the state."""
    secret = await store.save(ID, CONTENT, NOTHING_STORED)
    secret["metadata"]["name"] = "backup"
    with pytest.raises(ValueError, match=f"a copy of {ID.secret_name}"):
        store.record(secret)


def test_a_state_of_an_unknown_kind_is_an_error(store: StateStore) -> None:
    """No pass could do anything with its key."""
    described = {"kind": "Pod", "namespace": "dev-ada", "name": "box", "uid": "u"}
    metadata = {"name": "state-pod-u", "annotations": {"devserver.io/state-of": json.dumps(described)}}
    with pytest.raises(ValueError, match="no kind of ours"):
        store.record({"metadata": metadata})


def test_cluster_scoped_resources_have_states_too() -> None:
    id = StackId(stack_id("gpu", "DevServerFlavor").key, "u-1")
    assert id.secret_name == "state-devserverflavor-u-1"


# --- an external backend


class FakeVault:
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
def vault() -> FakeVault:
    return FakeVault()


@pytest.fixture
def outside(store: StateStore, vault: FakeVault) -> StateStore:
    """A store whose checkpoints are in an external backend."""
    return replace(store, vault=vault)


async def test_with_an_external_backend_the_secret_holds_an_outline(
    outside: StateStore, store: StateStore, vault: FakeVault
) -> None:
    secret = await outside.save(ID, CONTENT, NOTHING_STORED)
    assert outside.record(secret).children == {SSHD}
    assert store.record(secret).children is None, "without the backend it is no state"
    assert (await store.load(ID)).unusable is not None


async def test_with_an_external_backend_the_checkpoint_is_the_backends(
    outside: StateStore, vault: FakeVault
) -> None:
    await outside.save(ID, CONTENT, NOTHING_STORED)
    assert (await outside.load(ID)).unusable == Unusable(Problem.MISSING, "it does not exist")
    vault.held[ID.stack] = state(entry(SSHD), pending_operations=[{"type": "creating"}])
    found = await outside.load(ID)
    assert (found.checkpoint, found.unusable) == (CONTENT, None)
    vault.held[ID.stack] = state(secrets_providers={"state": {"salt": "v1:lost"}})
    found = await outside.load(ID)
    assert found.checkpoint == checkpoint.empty(ID.stack)
    assert found.unusable is not None
    assert found.unusable.problem is Problem.KEYS_LOST


async def test_what_is_kept_in_place_of_what_a_run_left_is_the_backends_too(
    outside: StateStore, vault: FakeVault
) -> None:
    await outside.save(ID, CONTENT, NOTHING_STORED, left=CONTENT)
    assert vault.held == {}, "the run itself has written it"
    await outside.save(ID, CONTENT, await outside.load(ID), left=state())
    assert vault.held == {ID.stack: CONTENT}


async def test_a_claim_remembers_the_runs_of_earlier_leaders_that_were_cut_short(
    outside: StateStore, vault: FakeVault
) -> None:
    """Their locks may be left in the backend."""
    for number in range(3):
        later = Term(f"reconciler-{number}_token", Epoch(CREATED, number))
        store = replace(outside, term=lambda term=later: term)
        claimed = await store.claim(ID, await store.load(ID))
    assert [run.host for run in claimed.cut_short] == ["reconciler-0", "reconciler-1"]
    assert (await store.claim(ID, await store.load(ID))).cut_short == claimed.cut_short, "a try of our own"
    await store.delete(ID, claimed)
    assert tuple(vault.cut_short) == claimed.cut_short
    assert vault.held == {}
