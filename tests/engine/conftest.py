"""A real engine under the reconciler's identity, and DevServers that no reconciler acts on."""

import asyncio
import gc
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import toolchain
from reconciler.engine.engine import Engine
from reconciler.engine.outcome import Outcome
from reconciler.engine.setup import open_engine
from reconciler.settings import Settings
from reconciler.state import checkpoint
from reconciler.state.encryption_keys import Keys
from stacks.declarations import Program
from stacks.devserver import program as devserver
from stacks.devserver.program import DevServerChildren, HostKeys
from stacks.metadata import Child, Owner
from stacks.registration import register
from tests import builders
from tests.shared_cluster import SharedCluster

PRIVATE_KEY = "-----BEGIN A PRIVATE KEY----- that must not be read by anyone else"
HOST_KEYS = HostKeys(public=(builders.ED25519,), private={"ssh_host_ed25519_key": PRIVATE_KEY})


@dataclass
class Box:
    """A DevServer as the engine sees it: its owner, what it is to be, and the state so far."""

    owner: Owner
    cluster: SharedCluster
    spec: dict[str, Any] = field(default_factory=dict)
    state: bytes = b""

    def __post_init__(self) -> None:
        self.state = checkpoint.empty(self.stack)

    @property
    def stack(self) -> str:
        return f"devserver-{self.owner.uid}"

    @property
    def names(self) -> DevServerChildren:
        return DevServerChildren.of(self.owner)

    @property
    def children(self) -> frozenset[Child]:
        return frozenset(self._program().children)

    async def up(self, engine: Engine, keys: Keys, refresh: bool = False) -> Outcome:
        """Run the program; the state is kept unless the run was killed."""
        program = partial(register, self._program())
        return self._kept(await engine.up(self.stack, program, self.state, keys, refresh=refresh))

    async def destroy(self, engine: Engine, keys: Keys) -> Outcome:
        return self._kept(await engine.destroy(self.stack, self.state, keys))

    def live(self, child: Child) -> dict[str, Any] | None:
        return self.cluster.get(child.kind, child.name, child.namespace)

    def objects(self) -> dict[Child, dict[str, Any]]:
        """The children that are there."""
        kinds = ",".join(sorted({child.kind for child in self.children}))
        listed = self.cluster.kubectl("get", kinds, f"--namespace={self.owner.namespace}", "--output=json")
        by_name = {(item["kind"], item["metadata"]["name"]): item for item in json.loads(listed)["items"]}
        found = {child: by_name.get((child.kind, child.name)) for child in self.children}
        return {child: obj for child, obj in found.items() if obj is not None}

    def uids(self) -> dict[str, str]:
        """The uids of the children that are there, by kind and name."""
        return {f"{child.kind} {child.name}": obj["metadata"]["uid"] for child, obj in self.objects().items()}

    def _program(self) -> Program:
        # Without a pod: the engine's part ends at the StatefulSet.
        inputs = builders.devserver_inputs(owner=self.owner, spec={"running": False, **self.spec})
        return devserver.program(inputs, HOST_KEYS)

    def _kept(self, outcome: Outcome) -> Outcome:
        self.state = outcome.checkpoint or self.state
        return outcome


@pytest.fixture
def make_box(cluster: SharedCluster, namespace: str) -> Callable[..., Box]:
    """Makes DevServers, each with a custom resource that owns its children."""

    def make(name: str = "box", **spec: Any) -> Box:
        # The flavor does not exist, so a reconciler that runs beside these tests leaves it alone.
        manifest = builders.manifest("DevServer", name, namespace, flavor="none-such", running=False)
        cluster.apply(manifest)
        made = cluster.get("devservers.devserver.io", name, namespace)
        assert made is not None
        return Box(Owner("DevServer", namespace, name, made["metadata"]["uid"]), cluster, spec)

    return make


@pytest.fixture
def box(make_box: Callable[..., Box]) -> Box:
    return make_box()


@pytest.fixture(scope="module")
def _as_the_reconciler(cluster: SharedCluster) -> Iterator[None]:
    """This process finds the pinned tools and signs in as the reconciler."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module", params=["cli", "worker"])
def settings(
    request: pytest.FixtureRequest, _as_the_reconciler: None, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Settings of an engine of either mode."""
    if request.param == "worker" and shutil.which("pulumi-engine-worker") is None:
        pytest.skip("the engine worker is not installed: python -m toolchain install")
    return Settings(
        engine_mode=request.param,
        run_dir=tmp_path_factory.mktemp("engine") / "run",
        pulumi_home=toolchain.pulumi_home(),
        run_deadline_s=60.0,
        concurrent_runs=3,
    )


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Engine]:
    """It ends with the module: another suite may look for what its own engines leave behind."""
    with open_engine(settings) as engine:
        yield engine
    collect_event_loops()


@pytest.fixture(autouse=True)
def _collect_event_loops() -> Iterator[None]:
    yield
    collect_event_loops()


def collect_event_loops() -> None:
    """Pulumi's SDK makes an event loop in each of its threads and closes none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def keys(engine: Engine) -> Keys:
    return Keys("a passphrase", asyncio.run(engine.make_salt("a passphrase")))


@pytest.fixture
def runs_dir(settings: Settings) -> Path:
    """Holds the private directories of the runs."""
    return settings.run_dir / "runs"
