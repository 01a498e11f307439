"""Asks a program for its version: by its version flag, or a Pulumi plugin over gRPC, as it has no flag."""

from __future__ import annotations

import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from . import process
from .errors import SourceFailed
from .tools import Tool

ANSWER_S = 30.0


def is_pinned(tool: Tool, program: Path) -> bool:
    """Whether `program` says that it is exactly the pinned version of `tool`.

    Raises SourceFailed if it gives no answer.
    """
    return tool.version_word in reported(tool, program).split()


def reported(tool: Tool, program: Path) -> str:
    """What `program` says when asked for its version. Raises SourceFailed if it gives no answer."""
    if tool.plugin_kind:
        return _plugin_version(program)
    # Pulumi writes a log of every command into its home.
    with tempfile.TemporaryDirectory() as home:
        quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_HOME": home}
        return process.run([program, *tool.version_args], env=quiet, timeout_s=ANSWER_S)


def _plugin_version(program: Path) -> str:
    """The version of a Pulumi plugin, which prints its port when it starts and then answers over gRPC."""
    # These take a second to import, and only this function uses them.
    import grpc  # type: ignore[import-untyped]
    from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
    from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

    with _started(program) as output:
        try:
            if not select.select([output], [], [], ANSWER_S)[0]:
                raise TimeoutError("it printed no port")
            address = f"127.0.0.1:{int(output.readline())}"
            with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
                info = ResourceProviderStub(channel).GetPluginInfo(Empty(), timeout=ANSWER_S)
            return str(info.version)
        except (ValueError, TimeoutError, grpc.RpcError) as error:
            raise SourceFailed(f"{program} does not answer as a Pulumi plugin: {error}") from error


@contextmanager
def _started(program: Path) -> Iterator[IO[bytes]]:
    """The output of `program`, which runs until the block ends."""
    try:
        running = subprocess.Popen(
            [program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise SourceFailed(f"{program} cannot be started: {error}") from error
    with running:
        assert running.stdout is not None
        try:
            yield running.stdout
        finally:
            process.stop(running, grace_s=0.5)
