"""A Pulumi plugin has no version flag: it is asked over gRPC."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from toolchain import versions
from toolchain.errors import SourceFailed
from toolchain.tools import PROVIDER, provider_of

PLUGIN = """\
import concurrent.futures
import grpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc

class Provider(provider_pb2_grpc.ResourceProviderServicer):
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="{version}")

server = grpc.server(concurrent.futures.ThreadPoolExecutor())
provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""

TOOL = provider_of("pulumi-resource-kubernetes")


def plugin(tmp_path: Path, source: str) -> Path:
    program = tmp_path / "plugin"
    program.write_text(f"#!{sys.executable}\n{source}")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("version", "pinned"), [(PROVIDER, True), (f"{PROVIDER}-alpha", False)])
def test_a_plugin_tells_its_version(tmp_path: Path, version: str, pinned: bool) -> None:
    assert versions.is_pinned(TOOL, plugin(tmp_path, PLUGIN.format(version=version))) is pinned


@pytest.mark.parametrize("source", ["print('usage: plugin')", "raise SystemExit(1)"])
def test_a_program_that_is_no_plugin_is_named(tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceFailed, match="does not answer as a Pulumi plugin"):
        versions.reported(TOOL, plugin(tmp_path, source))


def test_a_program_that_says_nothing_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "ANSWER_S", 0.3)
    with pytest.raises(SourceFailed, match="printed no port"):
        versions.reported(TOOL, plugin(tmp_path, "import time; time.sleep(60)"))
