"""A connection to a port of a pod, by the websocket of `pods/portforward`.

The client library's own forwarder is not used: its thread ends with a traceback, and leaves its caller waiting, when
the connection is reset, as it is when the API server restarts; and it sends no keep-alive. `kubectl port-forward` would
be one program more that users need, and a port on this machine that its other users could connect to.
"""

import os
import select
import time
from dataclasses import dataclass
from typing import Any

import websocket

from crds.resources import POD
from devctl.errors import NoAnswer, NotFound
from devctl.kube import websockets
from devctl.kube.api import Api

PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_CHUNK_BYTES = 65536
# Proxies and load balancers cut connections that are silent for a minute or more.
PING_INTERVAL_S = 20.0
# Without any answer for so long, the connection counts as dead.
SILENCE_S = 90.0
RETRY_S = 0.5


class Broken(NoAnswer):
    """The connection broke after data had passed."""


@dataclass(frozen=True)
class Ends:
    """File descriptors on this side: what goes to the pod, and where goes what comes back."""

    source: int = 0
    sink: int = 1


def connect(api: Api, namespace: str, pod: str, port: int, timeout_s: float, ends: Ends = Ends()) -> None:
    """Carry data to the port of the pod and back, until one side ends.

    A connection that fails before the port has said anything is dialled again, for timeout_s. Raises NoAnswer,
    Broken among them.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            _once(api, namespace, pod, port, ends)
            return
        except Broken:
            raise
        except (NoAnswer, NotFound):
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)


def _once(api: Api, namespace: str, pod: str, port: int, ends: Ends) -> None:
    what = f"port {port} of pod {pod} in {namespace}"
    query = [("ports", str(port))]
    path = POD.path(namespace, pod, "portforward")
    with websockets.opened(api, path, query, PROTOCOL, what) as connection:
        connection.settimeout(SILENCE_S)
        carrier = _Carrier(connection, what, ends)
        try:
            carrier.run()
        except (websocket.WebSocketException, OSError) as error:
            raise carrier.failure(f"{error}") from error


class _Carrier:
    """The two directions of one connection.

    The source is not read before the other side has spoken, so that nothing of it is lost with a connection that
    comes to nothing.
    """

    def __init__(self, connection: Any, what: str, ends: Ends) -> None:
        self._ends = ends
        self._connection = connection
        self._what = what
        self._announced: set[int] = set()
        self._has_spoken = False
        self._heard = time.monotonic()

    def failure(self, why: str) -> NoAnswer:
        """The error for a connection that ended unasked."""
        kind = Broken if self._has_spoken else NoAnswer
        return kind(f"The connection to {self._what} broke: {why}")

    def run(self) -> None:
        """Carry until the source ends or the other side does."""
        pinged = time.monotonic()
        while True:
            sources = [self._connection.sock, *([self._ends.source] if self._has_spoken else [])]
            if websockets.is_waiting(self._connection):
                ready = [self._connection.sock]
            else:
                ready = select.select(sources, [], [], PING_INTERVAL_S)[0]
            now = time.monotonic()
            if self._connection.sock in ready:
                self._heard = now
                if not self._take():
                    return
            if self._ends.source in ready:
                data = os.read(self._ends.source, _CHUNK_BYTES)
                if not data:
                    return
                websockets.send(self._connection, _DATA, data)
            if now - pinged > PING_INTERVAL_S:
                self._connection.ping()
                pinged = now
            if now - self._heard > SILENCE_S:
                raise self.failure(f"no data arrived for {SILENCE_S:g} s")

    def _take(self) -> bool:
        """Pass one frame on; False when the other side has ended as it should."""
        received = websockets.receive(self._connection)
        if received is None:
            if self._has_spoken:
                return False
            raise self.failure("it closed before any data arrived")
        channel, data = received
        if channel in (_DATA, _ERROR) and channel not in self._announced:
            # The first frame of each channel holds the number of the port.
            self._announced.add(channel)
        elif channel == _DATA:
            self._has_spoken = True
            websockets.write(self._ends.sink, data)
        elif channel == _ERROR and data:
            raise self.failure(data.decode(errors="replace").strip())
        return True
