"""What a Pulumi program declares, without an engine: the requests that it would send."""

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.stack import run_pulumi_func

from stacks.metadata import Child

# How Pulumi marks a secret among the properties that it sends.
_MARK, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"


@dataclass(frozen=True)
class Declared:
    """One resource. type: Pulumi's type token; name: its logical name; inputs: as a manifest has them."""

    type: str
    name: str
    inputs: dict[str, Any]
    retain_on_delete: bool
    secret_fields: frozenset[str]
    dependencies: tuple[str, ...]

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.inputs["metadata"]
        return found

    def is_child(self, child: Child) -> bool:
        """Whether this is the object that `children` announced."""
        return (
            self.inputs["apiVersion"] == child.api_version
            and self.inputs["kind"] == child.kind
            and self.metadata.get("namespace", "") == child.namespace
            and self.metadata["name"] == child.name
        )


@dataclass
class Stack:
    """What a program declared. provider: the only one."""

    provider: Declared
    objects: dict[str, Declared] = field(default_factory=dict)


def declared(program: Callable[[], None]) -> Stack:
    """Run the program against a recording monitor. Nothing of it stays in the SDK's global state."""
    monitor = _Recorder()

    async def main(executor: ThreadPoolExecutor) -> None:
        asyncio.get_running_loop().set_default_executor(executor)
        set_mocks(_Echo(), project="devserver", stack="test", preview=False, monitor=monitor)
        await run_pulumi_func(program)

    def run() -> None:
        with _executor() as executor:
            asyncio.run(main(executor))

    contextvars.copy_context().run(run)
    resources = [_declared(request) for request in monitor.requests if request.custom]
    (provider,) = (item for item in resources if item.type.startswith("pulumi:providers:"))
    objects = [item for item in resources if item is not provider]
    assert len({item.name for item in objects}) == len(objects)
    return Stack(provider, {item.name: item for item in objects})


class _Echo(Mocks):
    """Every resource comes out as it was asked for."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return f"id-of-{args.name}", args.inputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"a program calls nothing, but asked for {args.token}")


class _Recorder(MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Echo())
        self.requests: list[Any] = []

    def RegisterResource(self, request: Any) -> Any:
        self.requests.append(request)
        return super().RegisterResource(request)


def _declared(request: Any) -> Declared:
    inputs = _whole(MessageToDict(request.object))
    return Declared(
        type=request.type,
        name=request.name,
        inputs=inputs,
        retain_on_delete=request.retainOnDelete,
        secret_fields=frozenset(
            name for name, value in inputs.items() if isinstance(value, dict) and value.get(_MARK) == _SECRET
        ),
        dependencies=tuple(urn.rpartition("::")[2] for urn in request.dependencies),
    )


def _whole(value: Any) -> Any:
    """Numbers as a manifest has them: protobuf knows fractions only."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@contextmanager
def _executor() -> Iterator[ThreadPoolExecutor]:
    """Threads that close the event loops which the SDK would leave open in them."""
    loops: list[asyncio.AbstractEventLoop] = []

    def start() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    with ThreadPoolExecutor(initializer=start) as executor:
        yield executor
    for loop in loops:
        loop.close()
