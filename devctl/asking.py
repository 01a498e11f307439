"""What commands have in common when they talk with the user: questions, progress, results."""

import sys
import time
from datetime import timedelta

from rich.text import Text

from devctl.api import now
from devctl.client import DevServer
from devctl.errors import Misuse
from devctl.output import Terminal
from devctl.progress import Stage, Standing
from devctl.text import ahead, inert, parse_time

_EXPIRY_TIMEOUT_S = 15.0


def confirm(question: str) -> None:
    """Ask, and go on only with a yes. Raises Misuse where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise Misuse("this deletes something, and there is no terminal to ask at: say --yes")
    sys.stderr.write(f"{inert(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Misuse("nothing was deleted")


def await_ready(server: DevServer, terminal: Terminal, timeout_s: float) -> None:
    """Wait until it can be logged in to, and show meanwhile what it waits for."""
    begun = time.monotonic()
    if not terminal.err.is_terminal:
        server.wait_ready(timeout_s, lambda stands: terminal.say(told(server.name, stands)))
        return
    with terminal.err.status("") as status:

        def show(stands: Standing) -> None:
            status.update(Text(inert(told(server.name, stands))))

        server.wait_ready(timeout_s, show)
    terminal.say(f"{server.name} is ready after {time.monotonic() - begun:.1f} s")


def told(name: str, stands: Standing) -> str:
    """Where a DevServer stands, for a person who waits."""
    if stands.stage is Stage.READY:
        return f"{name} is ready"
    return f"{name}: {stands.reason}: {stands.message}"


def extend(server: DevServer, by: timedelta, terminal: Terminal) -> None:
    """Extend it, and tell until when it lives now, which may be earlier than was asked for."""
    wanted = parse_time(server.status.expires_at)
    server.extend(by)
    asked = (server.object["spec"].get("lifecycle") or {}).get("timeToLive")
    deadline = time.monotonic() + _EXPIRY_TIMEOUT_S
    while server.status.time_to_live != asked and time.monotonic() < deadline:
        time.sleep(0.1)
        server.refresh()
    if server.status.time_to_live != asked:
        terminal.warn("the operator has not taken it up yet: see devctl list")
        return
    present, expires = now(), parse_time(server.status.expires_at)
    terminal.say(
        f"{server.name} lives until {server.status.expires_at} ({ahead(server.status.expires_at, present)})"
    )
    if wanted is not None and expires is not None and expires < wanted + by - timedelta(seconds=2):
        terminal.warn(
            "that is less than you asked for: the operator allows no time further ahead. Extend it again later"
        )
