"""A command in a container with the user's own standard streams."""

import os
import select
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import websocket

from crds.resources import POD
from devctl.errors import NoAnswer
from devctl.kube.api import Api
from devctl.kube.exec import EXEC_PROTOCOLS, exec_query, exit_code
from devctl.kube.websockets import (
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    end_input,
    is_waiting,
    opened,
    receive,
    send,
    write,
)
from devctl.terminal.raw import raw, size, sizes


def interact(api: Api, namespace: str, pod: str, container: str, command: Sequence[str], tty: bool) -> int:
    """Run a command with our own standard streams; returns its exit code.

    tty: give it a terminal, of the size of ours.
    """
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
