"""Waiting until a DevServer can be logged in to, with a word about what it waits for."""

import time

from rich.text import Text

from devctl.client import DevServer
from devctl.status.standing import Stage, Standing
from devctl.terminal.output import Terminal
from devctl.text import inert


def await_ready(server: DevServer, terminal: Terminal, timeout_s: float) -> None:
    """Wait until it can be logged in to, and show meanwhile what it waits for."""
    begun = time.monotonic()
    if not terminal.err.is_terminal:
        server.wait_ready(timeout_s, lambda stands: terminal.say(progress(server.name, stands)))
        return
    with terminal.err.status("") as status:

        def show(stands: Standing) -> None:
            status.update(Text(inert(progress(server.name, stands))))

        server.wait_ready(timeout_s, show)
    terminal.say(f"{server.name} is ready after {time.monotonic() - begun:.1f} s.")


def progress(name: str, stands: Standing) -> str:
    """Where a DevServer stands, for a person who waits."""
    if stands.stage is Stage.READY:
        return f"{name} is ready."
    return f"{name}: {stands.reason}: {stands.message}"
