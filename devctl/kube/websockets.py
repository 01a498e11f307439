"""Websockets to the API server, and the channels in them."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import websocket
from kubernetes.stream.ws_client import create_websocket

from devctl.errors import NoAnswer
from devctl.kube.api import Api
from devctl.kube.refusals import refusal_of

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CONNECT_TIMEOUT_S = 10.0


@contextmanager
def opened(api: Api, path: str, query: list[tuple[str, str]], protocols: str, what: str) -> Iterator[Any]:
    """A websocket to a subresource, closed in the end. Raises what the refusal means, or Unreachable."""
    headers = {"sec-websocket-protocol": protocols}
    if authorization := _authorization(api):
        headers["authorization"] = authorization
    before = websocket.getdefaulttimeout()
    websocket.setdefaulttimeout(CONNECT_TIMEOUT_S)
    try:
        connection = create_websocket(api.configuration, _url(api, path, query), headers)
    except websocket.WebSocketBadStatusException as error:
        raise refusal_of(error.status_code, error.resp_body, what) from error
    except (websocket.WebSocketException, OSError) as error:
        raise NoAnswer(f"{what}: {api.target.server} does not answer: {error}") from error
    finally:
        websocket.setdefaulttimeout(before)
    try:
        yield connection
    finally:
        connection.shutdown()


def _url(api: Api, path: str, query: list[tuple[str, str]]) -> str:
    scheme, _, rest = api.configuration.host.partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest.rstrip('/')}{path}?{urlencode(query)}"


def _authorization(api: Api) -> str | None:
    """Value of the header, refreshed if need be; None where a certificate signs in."""
    settings: Any = api.configuration.auth_settings().get("BearerToken")
    return settings["value"] if settings else None


def send(connection: Any, channel: int, data: bytes) -> None:
    """Send data on a channel."""
    connection.send(bytes([channel]) + data, opcode=websocket.ABNF.OPCODE_BINARY)


def end_input(connection: Any) -> None:
    """Say that standard input has ended, where the protocol can."""
    # Its own attribute knows only of protocols that were asked for by its own option.
    if (connection.getheaders() or {}).get("sec-websocket-protocol") == "v5.channel.k8s.io":
        connection.send(bytes([CLOSE, STDIN]), opcode=websocket.ABNF.OPCODE_BINARY)


def receive(connection: Any) -> tuple[int, bytes] | None:
    """The next piece of data with its channel, -1 for a sign of life; None at the end.

    Raises the library's errors when the connection breaks.
    """
    while True:
        opcode, frame = connection.recv_data_frame(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return None
        if opcode in (websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT) and frame.data:
            return frame.data[0], frame.data[1:]
        if opcode in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG):
            return -1, b""


def is_waiting(connection: Any) -> bool:
    """Whether there is decrypted data that select() does not see."""
    return isinstance(connection.sock, ssl.SSLSocket) and connection.sock.pending() > 0


def write(file: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(file, data) :]
