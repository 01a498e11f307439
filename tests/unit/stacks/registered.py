"""What a Pulumi program asks the engine for, recorded without an engine."""

import asyncio
import contextvars
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.stack import run_pulumi_func

Requests = dict[str, dict[str, Any]]

# Where in the source a resource was asked for.
_PLACES = ("sourcePosition", "stackTrace")
_LONGEST_TEXT = 1000


def requests_of(program: Callable[[], None]) -> Requests:
    """The requests to register the program's resources and outputs, by Pulumi type and logical name.

    Long texts stand as their digest. Nothing of the program stays in the SDK's global state.
    """
    monitor = _Recorder()

    async def main(executor: ThreadPoolExecutor) -> None:
        asyncio.get_running_loop().set_default_executor(executor)
        set_mocks(_Echo(), project="devserver", stack="test", preview=False, monitor=monitor)
        await run_pulumi_func(program)

    def run() -> None:
        with _executor() as executor:
            asyncio.run(main(executor))

    contextvars.copy_context().run(run)
    assert len(monitor.found) == monitor.count
    return monitor.found


class _Echo(Mocks):
    """Every resource comes out as it was asked for."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return f"id-of-{args.name}", args.inputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"a program calls nothing, but asked for {args.token}")


class _Recorder(MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Echo())
        self.count = 0
        self.found: Requests = {}

    def RegisterResource(self, request: Any) -> Any:
        self._note(f"{request.type} {request.name}", request)
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self._note("outputs", request)
        return super().RegisterResourceOutputs(request)

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """With names of its own: the SDK's are those of whichever stack was set up last in this process."""
        _, _, *rest = super().make_urn(parent, type_, name).split("::")
        return "::".join(["urn:pulumi:stack", "project", *rest])

    def _note(self, name: str, request: Any) -> None:
        fields = {name: item for name, item in MessageToDict(request).items() if name not in _PLACES}
        if "dependencies" in fields:
            fields["dependencies"].sort()  # of a set
        self.count += 1
        self.found[name] = _plain(fields)


def _plain(value: Any) -> Any:
    """Numbers as a manifest has them, for protobuf knows fractions only; long texts as their digest."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
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
