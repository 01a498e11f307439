"""Where host keys come from: clients must never see them change while a DevServer lives."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from reconciler.controller.kind import Lookup
from reconciler.kinds.devserver.ssh.host_keys import find_host_keys
from reconciler.kinds.devserver.ssh.keys import HOST_KEY_FILES as FILES
from reconciler.kinds.devserver.ssh.keys import generate_host_keys
from reconciler.kube.objects import Object
from reconciler.status.errors import EngineFailedError, StalledError
from stacks.devserver.program import DevServerChildren, HostKeys
from stacks.metadata import Child, Owner
from tests.builders import child_object, owner

CHILD = DevServerChildren.of(owner()).host_keys
LIVE, RECORDED = generate_host_keys(), generate_host_keys()


def encoded(keys: HostKeys) -> dict[str, str]:
    assert keys.private is not None
    return {name: base64.b64encode(text.encode()).decode() for name, text in keys.private.items()}


class Bench:
    """Host keys that are looked for in the cluster and in a state."""

    def __init__(self, *objects: Object) -> None:
        self.objects = objects
        self.revealed = 0
        self.error: Exception | None = None
        self.recorded: dict[str, str] | None = None

    async def find(self, owner: Owner, child: Child) -> HostKeys:
        return await find_host_keys(Lookup(self.live, self.recorded_secret), owner, child)

    async def live(self, child: Child) -> Object | None:
        assert child == CHILD
        return next(iter(self.objects), None)

    async def recorded_secret(self, child: Child) -> dict[str, str] | None:
        assert child == CHILD
        self.revealed += 1
        if self.error is not None:
            raise self.error
        return self.recorded

    def record(self) -> None:
        """Have a state that holds the keys."""
        self.recorded = RECORDED.private


def live_secret(**changes: Any) -> Object:
    return child_object(CHILD, data=encoded(LIVE)) | changes


async def test_the_live_secret_goes_first() -> None:
    bench = Bench(live_secret())
    bench.record()
    assert await bench.find(owner(), CHILD) == LIVE
    assert bench.revealed == 0


@pytest.mark.parametrize("data", [{}, {"ssh_host_ed25519_key": "////"}, encoded(LIVE) | {FILES[0]: ""}])
async def test_keys_of_ours_that_someone_spoiled_are_those_of_the_state(data: Any) -> None:
    bench = Bench(live_secret(data=data))
    bench.record()
    assert await bench.find(owner(), CHILD) == RECORDED


async def test_a_key_of_ours_that_someone_removed_comes_back_where_it_is_recorded() -> None:
    data = encoded(LIVE)
    del data[FILES[1]]
    bench = Bench(live_secret(data=data))
    assert len((await bench.find(owner(), CHILD)).public) == 1, "nothing better is known"
    bench.record()
    assert await bench.find(owner(), CHILD) == RECORDED


async def test_a_secret_of_the_users_that_has_no_usable_key_stalls_whatever_is_recorded() -> None:
    bench = Bench(live_secret(data={}, metadata={"name": CHILD.name, "namespace": CHILD.namespace}))
    bench.record()
    with pytest.raises(StalledError):
        await bench.find(owner(), CHILD)


async def test_a_secret_that_was_deleted_comes_back_with_the_same_keys() -> None:
    bench = Bench()
    bench.record()
    assert await bench.find(owner(), CHILD) == RECORDED


async def test_new_keys_are_made_only_where_there_were_none() -> None:
    keys = await Bench().find(owner(), CHILD)
    assert keys.private is not None
    assert keys.public not in (LIVE.public, RECORDED.public)


async def test_keys_that_cannot_be_read_now_are_not_replaced_by_new_ones() -> None:
    bench = Bench()
    bench.record()
    bench.error = EngineFailedError("RunFailed", "wrong passphrase")
    with pytest.raises(EngineFailedError):
        await bench.find(owner(), CHILD)


async def test_keys_of_an_earlier_life_are_not_used_again() -> None:
    bench = Bench(child_object(CHILD, replace(owner(), uid="earlier"), data=encoded(LIVE)))
    assert (await bench.find(owner(), CHILD)).public != LIVE.public


async def test_a_secret_that_the_user_brought_is_used_and_not_managed() -> None:
    secret = live_secret()
    secret["metadata"]["labels"] = {}
    keys = await Bench(secret).find(owner(), CHILD)
    assert keys == HostKeys(public=LIVE.public, private=None)


@pytest.mark.parametrize("data", [None, {}, {"other": ""}, {"ssh_host_ed25519_key": "////"}])
async def test_a_secret_without_a_usable_key_stalls(data: Any) -> None:
    with pytest.raises(StalledError) as error:
        await Bench(live_secret(data=data)).find(owner(), CHILD)
    assert error.value.reason == "InvalidHostKeys"
