"""The watchdog: a small process that ends the reconciler when its Lease runs out and it cannot see to that itself."""

import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import structlog

_PROCESS = Path(__file__).with_name("watchdog_process.py")
_END_S = 5.0
_log = structlog.get_logger()


class Watchdog:
    """The watchdog's process, from the first moment on. It is started again if someone kills it.

    mark: `NAME=VALUE`, an environment variable of every process that this one starts for the engine.
    upstream: host and port of the API server. What comes to `port` of this host is passed on to it.
    """

    def __init__(self, mark: str, upstream: tuple[str, int] | None = None) -> None:
        self._mark = mark
        self._upstream = upstream
        # The socket belongs to this process, so that a successor of the watchdog serves the same port.
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._process = self._started()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def feed(self, until_s: float) -> None:
        """Say until when this process may act, by lease.clock_s."""
        try:
            self._send(until_s)
        except OSError as error:
            _log.warning("the watchdog has died and is replaced", error=str(error))
            self._process.kill()
            self._end()
            self._process = self._started()
            self._send(until_s)

    def close(self) -> None:
        """End the watchdog. It first kills the processes that were left behind."""
        self._listening.close()
        self._end()

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)

    def _send(self, until_s: float) -> None:
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), struct.pack("d", until_s))

    def _started(self) -> subprocess.Popen[bytes]:
        fd = self._listening.fileno()
        gate = [str(fd), *map(str, self._upstream)] if self._upstream is not None else []
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _PROCESS, str(os.getpid()), self._mark, *gate],
            env={},
            pass_fds=[fd],
            stdin=subprocess.PIPE,
            bufsize=0,
            # In a session of its own it gets no Ctrl-C, which is meant for the reconciler.
            start_new_session=True,
        )
        assert process.stdin is not None
        # A stopped watchdog reads nothing. That must not block the reconciler.
        os.set_blocking(process.stdin.fileno(), False)
        return process
