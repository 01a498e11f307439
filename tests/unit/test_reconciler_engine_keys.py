"""The passphrase and salt of all stacks: made once, made anew when they are lost or damaged."""

import base64
from typing import Any, cast

import pytest

from reconciler import engine_keys
from reconciler.cluster import Cluster, ClusterError, Object
from reconciler.engine import Engine, Keys
from reconciler.engine_keys import fit, load_or_make_keys
from reconciler.events import Recorder
from reconciler.resources import SECRET
from tests.fake_cluster import FakeCluster

# Made by Pulumi for the passphrase "a passphrase".
SALT = "v1:rGNW07GKZ5k=:v1:ODRmW4XpuGhdZBuO:A1T0sKd+WV2B1YtwQWV05ux2ePDxBg=="
GOOD = Keys("a passphrase", SALT)


class Bench:
    """A cluster, and an engine that makes the one salt that fits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = FakeCluster()
        self.events: list[str] = []
        monkeypatch.setattr(engine_keys.secrets, "token_urlsafe", lambda _: GOOD.passphrase)

    async def make_salt(self, passphrase: str) -> str:
        assert passphrase == GOOD.passphrase
        return SALT

    async def record(self, about: Object, type_: str, reason: str, note: str) -> None:
        self.events.append(f"{type_} {reason} {about['kind']} {about['metadata']['name']}")

    async def load(self) -> Keys:
        return await load_or_make_keys(
            cast(Cluster, self.cluster), cast(Engine, self), "devserver-system", cast(Recorder, self)
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
        self.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": found})

    @property
    def stored(self) -> Object | None:
        return self.cluster.find(SECRET, "devserver-system", "engine-keys")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


@pytest.fixture(autouse=True)
def _as_the_api_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives back as `data`, encoded, what was written as `stringData`."""
    create = FakeCluster.create

    async def encoding(self: FakeCluster, resource: Any, body: Object) -> Object:
        text = body.get("stringData", {})
        return await create(
            self, resource, body | {"data": {name: b64(value) for name, value in text.items()}}
        )

    monkeypatch.setattr(FakeCluster, "create", encoding)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_keys_are_made_once(bench: Bench) -> None:
    assert await bench.load() == GOOD
    assert await bench.load() == GOOD
    assert bench.cluster.writes() == ["CREATE Secret engine-keys"]
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
    assert bench.cluster.writes() == ["DELETE Secret engine-keys", "CREATE Secret engine-keys"]


async def test_damaged_keys_that_someone_else_made_are_not_touched(bench: Bench) -> None:
    bench.have(passphrase="!")
    assert bench.stored is not None
    del bench.stored["metadata"]["labels"]
    with pytest.raises(ClusterError, match="restore the Secret or delete it"):
        await bench.load()
    assert bench.cluster.writes() == []


async def test_who_is_not_the_first_to_make_keys_takes_those_of_the_first(bench: Bench) -> None:
    create = bench.cluster.create

    async def be_late(resource: Any, body: Object) -> Object:
        bench.have(passphrase=b64(GOOD.passphrase), encryptionsalt=b64(SALT))
        bench.cluster.create = create  # type: ignore[method-assign]
        return await create(resource, body)

    bench.cluster.create = be_late  # type: ignore[method-assign]
    assert await bench.load() == GOOD
    assert bench.stored is not None
    assert bench.stored["metadata"]["uid"] == "u"


async def test_keys_that_someone_damages_again_and_again_end_the_start(bench: Bench) -> None:
    async def damage(*_: Any) -> bool:
        return False

    bench.have(passphrase="!")
    bench.cluster.delete = damage  # type: ignore[assignment]
    with pytest.raises(ClusterError, match="again and again"):
        await bench.load()


@pytest.mark.parametrize("salt", ["", "v1", "v1:", "v2:" + SALT[3:], "v1:!:v1:!:!", SALT + "x"])
def test_nonsense_fits_no_passphrase(salt: str) -> None:
    assert not fit(Keys("a passphrase", salt))
