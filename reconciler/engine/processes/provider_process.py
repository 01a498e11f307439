"""The process of a Pulumi provider that several engines attach to."""

import select
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reconciler.engine.processes.process_tree import kill_tree

_START_TIMEOUT_S = 30.0
_STOP_GRACE_S = 2.0


class ProviderError(Exception):
    """The shared provider did not start."""


class ProviderProcess:
    """A running proxy and its provider. Both end with this process, however it ends.

    port: where engines attach.
    """

    def __init__(self, proxy: Path, provider: Path, environment: Mapping[str, str], log: Path) -> None:
        """Start them, which takes a few tenths of a second. Raises ProviderError. log: file for their stderr."""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [proxy, provider],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        readable = select.poll()
        readable.register(self._process.stdout, select.POLLIN)
        line = self._process.stdout.readline() if readable.poll(_START_TIMEOUT_S * 1000) else b""
        if not line:
            self.stop()
            raise ProviderError(f"{proxy} printed no port within {_START_TIMEOUT_S:g} s, see {log}")
        self.port = int(line)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End both processes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            kill_tree(self._process.pid)
            self._process.wait()
        self._process.stdout.close()
