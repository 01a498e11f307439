"""The passphrase and salt of all stacks: made once, made anew when they are lost or damaged."""

import base64
from typing import Any, cast

import pytest

from crds.resources import SECRET, Resource
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Object
from reconciler.kube.recorder import Recorder
from reconciler.state.encryption_keys import Keys, fit, load_or_make_keys
from tests.fake_client import FakeClient

# Made by Pulumi for the passphrase "a passphrase".
SALT = "v1:rGNW07GKZ5k=:v1:ODRmW4XpuGhdZBuO:A1T0sKd+WV2B1YtwQWV05ux2ePDxBg=="
GOOD = Keys("a passphrase", SALT)


class EncodingClient(FakeClient):
    """Returns as `data`, encoded, what was written as `stringData`, as the API server does."""

    async def create(self, resource: Resource, body: Object) -> Object:
        text = body.get("stringData", {})
        return await super().create(
            resource, body | {"data": {name: b64(value) for name, value in text.items()}}
        )


class Bench:
    """A cluster, and an engine that makes the one salt that fits."""

    def __init__(self) -> None:
        self.client = EncodingClient()
        self.events: list[str] = []

    async def make_salt(self, passphrase: str) -> str:
        assert passphrase == GOOD.passphrase
        return SALT

    async def record(self, about: Object, type_: str, reason: str, note: str) -> None:
        self.events.append(f"{type_} {reason} {about['kind']} {about['metadata']['name']}")

    async def load(self) -> Keys:
        return await load_or_make_keys(
            cast(Client, self.client),
            self.make_salt,
            "devserver-system",
            cast(Recorder, self),
            make_passphrase=lambda: GOOD.passphrase,
        )

    def have(self, **data: str | None) -> None:
        """Have a Secret with this data, as the API server holds it."""
        found = {name: value for name, value in data.items() if value is not None}
        metadata = {
            "name": "engine-keys",
            "namespace": "devserver-system",
            "uid": "u",
            "resourceVersion": "1",
            "labels": {"app.kubernetes.io/managed-by": "devserver-reconciler"},
        }
        self.client.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": found})

    @property
    def stored(self) -> Object | None:
        return self.client.find(SECRET, "devserver-system", "engine-keys")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_keys_are_made_once(bench: Bench) -> None:
    assert await bench.load() == GOOD
    assert await bench.load() == GOOD
    assert bench.client.writes() == ["CREATE Secret engine-keys"]
    assert bench.stored is not None
    assert bench.stored["immutable"] is True
    assert bench.events == []


DAMAGED: dict[str, dict[str, str | None]] = {
    "no data": {},
    "no passphrase": {"encryptionsalt": b64(SALT)},
    "an empty passphrase": {"passphrase": "", "encryptionsalt": b64(SALT)},
    "no salt": {"passphrase": b64(GOOD.passphrase)},
    "no base64": {"passphrase": "!", "encryptionsalt": b64(SALT)},
    "no text": {"passphrase": "/////w==", "encryptionsalt": b64(SALT)},
    "a salt that is none": {"passphrase": b64(GOOD.passphrase), "encryptionsalt": b64("salt")},
    "another passphrase": {"passphrase": b64("another"), "encryptionsalt": b64(SALT)},
    "a salt cut short": {"passphrase": b64(GOOD.passphrase), "encryptionsalt": b64(SALT[:-8])},
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
async def test_damaged_keys_are_replaced_and_told_of(bench: Bench, data: dict[str, str | None]) -> None:
    bench.have(**data)
    assert await bench.load() == GOOD
    assert bench.events == ["Warning EngineKeysReplaced Secret engine-keys"]
    assert bench.client.writes() == ["DELETE Secret engine-keys", "CREATE Secret engine-keys"]


async def test_damaged_keys_that_someone_else_made_are_not_touched(bench: Bench) -> None:
    bench.have(passphrase="!")
    assert bench.stored is not None
    del bench.stored["metadata"]["labels"]
    with pytest.raises(ApiError, match="restore the Secret or delete it"):
        await bench.load()
    assert bench.client.writes() == []


async def test_who_is_not_the_first_to_make_keys_takes_those_of_the_first(bench: Bench) -> None:
    create = bench.client.create

    async def be_late(resource: Any, body: Object) -> Object:
        bench.have(passphrase=b64(GOOD.passphrase), encryptionsalt=b64(SALT))
        bench.client.create = create  # type: ignore[method-assign]
        return await create(resource, body)

    bench.client.create = be_late  # type: ignore[method-assign]
    assert await bench.load() == GOOD
    assert bench.stored is not None
    assert bench.stored["metadata"]["uid"] == "u"


async def test_keys_that_someone_damages_again_and_again_end_the_start(bench: Bench) -> None:
    async def damage(*_: Any) -> bool:
        return False

    bench.have(passphrase="!")
    bench.client.delete = damage  # type: ignore[assignment]
    with pytest.raises(ApiError, match="again and again"):
        await bench.load()


@pytest.mark.parametrize("salt", ["", "v1", "v1:", "v2:" + SALT[3:], "v1:!:v1:!:!", SALT + "x"])
def test_nonsense_fits_no_passphrase(salt: str) -> None:
    assert not fit(Keys("a passphrase", salt))
