"""Commands in a container, by the websocket of `pods/exec`."""

import os
import select
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import websocket
import yaml
from kubernetes.stream.ws_client import create_websocket

from crds.resources import POD
from devctl.api import Api
from devctl.errors import DevctlError, NoAnswer, TimedOut
from devctl.refusals import refusal_of

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
# v5 can say that standard input has ended.
EXEC_PROTOCOLS = "v5.channel.k8s.io,v4.channel.k8s.io"
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Completed:
    """A command that ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the newline at its end."""
        return self.stdout.decode(errors="replace").rstrip("\n")


@contextmanager
def opened(api: Api, path: str, query: list[tuple[str, str]], protocols: str, what: str) -> Iterator[Any]:
    """A websocket to a subresource, closed in the end. Raises what the refusal means, or Unreachable."""
    headers = {"sec-websocket-protocol": protocols}
    if authorization := api.authorization():
        headers["authorization"] = authorization
    before = websocket.getdefaulttimeout()
    websocket.setdefaulttimeout(CONNECT_TIMEOUT_S)
    try:
        connection = create_websocket(api.configuration, api.websocket_url(path, query), headers)
    except websocket.WebSocketBadStatusException as error:
        raise refusal_of(error.status_code, error.resp_body, what) from error
    except (websocket.WebSocketException, OSError) as error:
        raise NoAnswer(f"{what}: no answer from {api.target.server}: {error}") from error
    finally:
        websocket.setdefaulttimeout(before)
    try:
        yield connection
    finally:
        connection.shutdown()


def exec_query(container: str, command: Sequence[str], stdin: bool, tty: bool) -> list[tuple[str, str]]:
    """The query of an exec request. The command is a list: no shell sees it."""
    flags = {"stdin": stdin, "stdout": True, "stderr": not tty, "tty": tty}
    given = [("container", container), *((name, "true") for name, value in flags.items() if value)]
    return [*given, *(("command", part) for part in command)]


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


def exit_code(status: bytes) -> int:
    """The exit code in the last message of an exec. Raises DevctlError if the command was not run."""
    try:
        answer = yaml.safe_load(status.decode(errors="replace")) or {}
    except yaml.YAMLError:
        answer = {}
    if answer.get("status") == "Success":
        return 0
    for cause in (answer.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise DevctlError(f"the command was not run: {answer.get('message') or 'the connection broke'}")


def run(
    api: Api,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    stdin: bytes = b"",
    timeout_s: float | None = None,
) -> Completed:
    """Run a command and collect what it prints. Raises TimedOut after timeout_s; the command may go on then."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    output = {STDOUT: bytearray(), STDERR: bytearray(), ERROR: bytearray()}
    query = exec_query(container, command, stdin=True, tty=False)
    what = f"pod {pod} in {namespace}"
    with opened(api, POD.path(namespace, pod, "exec"), query, EXEC_PROTOCOLS, what) as connection:
        try:
            for start in range(0, len(stdin), 32768):
                send(connection, STDIN, stdin[start : start + 32768])
            end_input(connection)
            while True:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimedOut(f"{command[0]} in {pod} has not ended after {timeout_s:g} s")
                connection.settimeout(left)
                received = receive(connection)
                if received is None:
                    break
                if received[0] in output:
                    output[received[0]] += received[1]
        except websocket.WebSocketConnectionClosedException:
            # Not every API server says goodbye. Without a status, this is an error below.
            pass
        except websocket.WebSocketTimeoutException as error:
            raise TimedOut(f"{command[0]} in {pod} has not ended after {timeout_s} s") from error
        except (websocket.WebSocketException, OSError) as error:
            raise NoAnswer(f"{what}: the connection broke: {error}") from error
    return Completed(exit_code(bytes(output[ERROR])), bytes(output[STDOUT]), bytes(output[STDERR]))


def interact(api: Api, namespace: str, pod: str, container: str, command: Sequence[str], tty: bool) -> int:
    """Run a command with our own standard streams; returns its exit code.

    tty: give it a terminal, of the size of ours.
    """
    from devctl.rawterminal import raw, size, sizes

    query = exec_query(container, command, stdin=True, tty=tty)
    what = f"pod {pod} in {namespace}"
    with opened(api, POD.path(namespace, pod, "exec"), query, EXEC_PROTOCOLS, what) as connection:
        connection.settimeout(None)
        with raw(tty), sizes(tty) as resized:
            if tty:
                send(connection, RESIZE, size())
            status = bytearray()
            try:
                with suppress(websocket.WebSocketConnectionClosedException):
                    _pump(connection, resized, status)
                return exit_code(bytes(status))
            except (websocket.WebSocketException, OSError) as error:
                raise NoAnswer(f"{what}: the connection broke: {error}") from error


def _pump(connection: Any, resized: int, status: bytearray) -> None:
    """Carry data both ways until the command ends; the last message goes to `status`. resized: has new sizes."""
    from devctl.rawterminal import size

    sources = [connection.sock, 0, *([resized] if resized >= 0 else [])]
    while True:
        ready = [connection.sock] if is_waiting(connection) else select.select(sources, [], [])[0]
        if connection.sock in ready:
            received = receive(connection)
            if received is None:
                return
            channel, data = received
            if channel in (STDOUT, STDERR):
                write(channel, data)
            elif channel == ERROR:
                status += data
        if 0 in ready:
            typed = os.read(0, 32768)
            if typed:
                send(connection, STDIN, typed)
            else:
                sources.remove(0)
                end_input(connection)
        if resized in ready:
            os.read(resized, 4096)
            send(connection, RESIZE, size())


def write(file: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(file, data) :]
