"""The user's terminal, given over to a program in a DevServer."""

import json
import os
import signal
import termios
import tty as terminals
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def size() -> bytes:
    """The terminal's size, as the exec protocol takes it."""
    columns, lines = os.get_terminal_size(0)
    return json.dumps({"Width": columns, "Height": lines}).encode()


@contextmanager
def raw(wanted: bool) -> Iterator[None]:
    """Every key goes to the program, Ctrl-C too; as before in the end."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(0)
    terminals.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def sizes(wanted: bool) -> Iterator[int]:
    """A file descriptor that is readable whenever the terminal's size has changed; -1 if not wanted."""
    if not wanted:
        yield -1
        return
    readable, writable = os.pipe()
    os.set_blocking(writable, False)

    def note(number: int, frame: Any) -> None:
        os.write(writable, b".")

    before = signal.signal(signal.SIGWINCH, note)
    try:
        yield readable
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(readable)
        os.close(writable)
