"""Drives an engine against the local cluster: stacks of real DevServers, and what the cluster has of them."""

import asyncio
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from reconciler.engine.engine import Engine
from reconciler.engine.outcome import Outcome
from reconciler.engine.processes.process_tree import of_backend
from reconciler.state import checkpoint
from reconciler.state.checkpoint import Checkpoint
from reconciler.state.encryption_keys import Keys
from stacks.declarations import Program
from stacks.devserver import program as devserver
from stacks.metadata import UID_LABEL, Child, Owner
from stacks.registration import register
from tests import builders
from tests.patience import PATIENCE_S
from tests.shared_cluster import SharedCluster

PASSPHRASE = "tests"
KINDS = "statefulsets,services,secrets,configmaps"


@dataclass
class Stack:
    """A DevServer, its stack and the checkpoint that was stored last.

    image: changes the StatefulSet. cluster_id: changes the provider.
    """

    owner: Owner
    image: str = "local/busybox:1"
    cluster_id: str = "cluster-uid"
    stored: Checkpoint = b""

    def __post_init__(self) -> None:
        self.stored = checkpoint.empty(self.name)

    @property
    def name(self) -> str:
        return f"devserver-{self.owner.uid}"

    @property
    def children(self) -> frozenset[Child]:
        """What its program makes."""
        return frozenset(self._program().children)

    def run_program(self) -> None:
        register(self._program())

    def _program(self) -> Program:
        spec = {"image": self.image, "running": False}
        inputs = builders.devserver_inputs(owner=self.owner, spec=spec, cluster_id=self.cluster_id)
        return devserver.program(inputs, builders.HOST_KEYS)


@dataclass
class Driver:
    """An engine, and stacks in one namespace."""

    engine: Engine
    cluster: SharedCluster
    namespace: str
    keys: Keys
    stacks: list[Stack] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    async def on(cls, engine: Engine, cluster: SharedCluster, namespace: str) -> "Driver":
        return cls(engine, cluster, namespace, Keys(PASSPHRASE, await engine.make_salt(PASSPHRASE)))

    def make(self, count: int = 1) -> list[Stack]:
        """DevServers, which must exist: the garbage collector takes children of owners that do not."""
        first = len(self.stacks)
        names = [f"box-{first + number}" for number in range(count)]
        # The flavor does not exist, so that a reconciler beside these tests leaves them alone.
        items = [builders.manifest("DevServer", name, self.namespace, flavor="none-such") for name in names]
        listed = self.cluster.kubectl(
            "create",
            "--filename=-",
            r'--output=go-template={{.metadata.name}} {{.metadata.uid}}{{"\n"}}',
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}),
        )
        made = [line.split() for line in listed.splitlines()]
        fresh = [Stack(Owner("DevServer", self.namespace, name, uid)) for name, uid in made]
        self.stacks += fresh
        return fresh

    async def start_endless(self, stack: Stack) -> asyncio.Task[Outcome]:
        """A run on the stack whose program has begun, provider included, and goes on until the driver is closed."""
        begun = threading.Event()

        async def endless() -> None:
            register(Program(stack.cluster_id, (), {}))
            begun.set()
            await asyncio.to_thread(self._ended.wait)

        run = asyncio.create_task(self.engine.up(stack.name, endless, stack.stored, self.keys))
        assert await asyncio.to_thread(begun.wait, PATIENCE_S), "the program has not begun"
        return run

    def close(self) -> None:
        """Let programs without end come to theirs: the interpreter waits for them before it exits."""
        self._ended.set()

    async def up(self, stack: Stack, refresh: bool = False) -> Outcome:
        outcome = await self.engine.up(stack.name, stack.run_program, stack.stored, self.keys, refresh)
        return self._stored(stack, outcome)

    async def destroy(self, stack: Stack) -> Outcome:
        return self._stored(stack, await self.engine.destroy(stack.name, stack.stored, self.keys))

    async def up_all(self, stacks: Iterable[Stack]) -> list[Outcome]:
        return await asyncio.gather(*(self.up(stack) for stack in stacks))

    def _stored(self, stack: Stack, outcome: Outcome) -> Outcome:
        if outcome.checkpoint is not None:
            stack.stored = outcome.checkpoint
        return outcome

    def images(self) -> dict[str, str]:
        """The images of the namespace's StatefulSets, by the uid of their DevServer."""
        text = self.cluster.kubectl("get", "statefulsets", f"--namespace={self.namespace}", "--output=json")
        return {
            item["metadata"]["labels"][UID_LABEL]: _image(item["spec"]["template"]["spec"])
            for item in json.loads(text)["items"]
        }

    def live(self) -> dict[str, frozenset[Child]]:
        """The children in the namespace, by the uid of their DevServer."""
        text = self.cluster.kubectl(
            "get", KINDS, f"--namespace={self.namespace}", f"--selector={UID_LABEL}", "--output=json"
        )
        found: dict[str, set[Child]] = {}
        for item in json.loads(text)["items"]:
            meta = item["metadata"]
            child = Child(item["apiVersion"], item["kind"], self.namespace, meta["name"])
            found.setdefault(meta["labels"][UID_LABEL], set()).add(child)
        return {uid: frozenset(children) for uid, children in found.items()}


def _image(pod: dict[str, Any]) -> str:
    """The image that the user chose."""
    (image,) = {container["image"] for container in pod["containers"]}
    return str(image)


def descendants(name: str) -> list[psutil.Process]:
    """Processes that this one started, directly or not, whose program has this name."""
    return [process for process in psutil.Process().children(recursive=True) if _runs(process, name)]


def _runs(process: psutil.Process, name: str) -> bool:
    try:
        return Path(process.exe()).name == name
    except psutil.Error:
        return False


def worker_of(stack: Stack) -> psutil.Process:
    """The worker that runs an operation on the stack at this moment."""
    for process in descendants("pulumi-engine-worker"):
        if Path(process.cwd(), f"Pulumi.{stack.name}.yaml").exists():
            return process
    raise AssertionError(f"no worker is at work on {stack.name}")


def processes_of(run_dir: Path) -> list[psutil.Process]:
    """Every process that an engine over this run directory has started and that still runs, whoever its parent is."""
    return list(of_backend(f"file://{run_dir}/"))
