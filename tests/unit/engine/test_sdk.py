"""Programs in threads of one process speak to their own engines."""

import asyncio
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import grpc
import pulumi.log
import pytest
from pulumi.runtime import _grpc_settings, _instrumentation, resource, settings
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

from reconciler.engine.sdk import isolate_programs

_SDK_DEBUG = importlib.reload(pulumi.log).debug
_SDK_STACK_TRACE = importlib.reload(resource)._get_stack_trace


@pytest.fixture(params=["by itself", "isolated"])
def isolated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the SDK has been mended. (If it never needs that again, the tests `by itself` say so.)"""
    monkeypatch.setattr(settings, "wrap_with_context", _instrumentation.wrap_with_context)
    monkeypatch.setattr(pulumi.log, "debug", _SDK_DEBUG)
    monkeypatch.setattr(resource, "_get_stack_trace", _SDK_STACK_TRACE)
    original = [option for option in _grpc_settings._GRPC_CHANNEL_OPTIONS if "subchannel" not in option[0]]
    for module in (_grpc_settings, settings):
        monkeypatch.setattr(module, "_GRPC_CHANNEL_OPTIONS", original)
    if request.param == "isolated":
        isolate_programs()
    return bool(request.param == "isolated")


@dataclass
class Monitor:
    """An engine's side of a program, which notes what it is asked."""

    asked: list[str] = field(default_factory=list)

    def GetDeploymentInfo(self, _: Any) -> SimpleNamespace:
        self.asked.append("features")
        return SimpleNamespace(supportedFeatures=[])


def test_a_program_asks_its_own_engine_though_another_has_started_since(isolated: bool) -> None:
    first, second = Monitor(), Monitor()

    def start(monitor: Monitor) -> None:
        settings.configure(settings.Settings("project", "stack", monitor=monitor))

    context = Context()
    context.run(start, first)
    Context().run(start, second)
    context.run(asyncio.run, settings._load_monitor_feature_support())

    assert (first.asked, second.asked) == ((["features"], []) if isolated else ([], ["features"]))


def test_an_engine_is_told_of_errors_and_not_of_what_the_sdk_thinks(isolated: bool) -> None:
    told: list[str] = []
    engine = SimpleNamespace(Log=lambda request: told.append(request.message))

    def program() -> None:
        settings.configure(settings.Settings("project", "stack", engine=engine))
        pulumi.log.debug("waiting for quiescence")
        pulumi.log.error("it failed")

    Context().run(program)
    assert told == (["it failed"] if isolated else ["waiting for quiescence", "it failed"])


def test_resources_carry_no_stack_of_calls_into_the_checkpoint(isolated: bool) -> None:
    class Resource:
        def __init__(self) -> None:
            self.calls = resource._get_stack_trace().frames

    class CustomResource(Resource):
        def __init__(self) -> None:
            super().__init__()

    class Service(CustomResource):
        def __init__(self) -> None:
            super().__init__()

    assert (len(Service().calls) == 0) is isolated


class Engine(resource_pb2_grpc.ResourceMonitorServicer):  # type: ignore[misc]
    """An engine that can be reached over the network."""

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=True)


@contextmanager
def serving(port: int = 0) -> Iterator[int]:
    """An engine on a port."""
    with ThreadPoolExecutor(1) as executor:
        server = grpc.server(executor)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Engine(), server)
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        yield bound
        server.stop(0).wait()


def reaches(monitor: Any) -> bool:
    try:
        return bool(monitor.SupportsFeature(resource_pb2.SupportsFeatureRequest(id="x")).hasSupport)
    except grpc.RpcError:
        return False


def test_an_engine_on_the_port_of_one_that_was_killed_is_reached(isolated: bool) -> None:
    def program(port: int) -> Any:
        return Context().run(lambda: settings.Settings("p", "s", monitor=f"127.0.0.1:{port}").monitor)

    with serving() as port:
        orphaned = program(port)
        assert reaches(orphaned)
    assert not reaches(orphaned)
    with serving(port):
        assert reaches(program(port)) is isolated
