"""Extending a DevServer's life, as far as the operator allows."""

import time
from datetime import timedelta

from devctl.client import DevServer
from devctl.terminal.output import Terminal
from devctl.times import ahead, now, time_of

_EXPIRY_TIMEOUT_S = 15.0


def extend(server: DevServer, by: timedelta, terminal: Terminal) -> None:
    """Extend it, and tell until when it lives now, which may be earlier than was asked for."""
    wanted = time_of(server.status.expires_at)
    server.extend(by)
    asked = (server.object["spec"].get("lifecycle") or {}).get("timeToLive")
    deadline = time.monotonic() + _EXPIRY_TIMEOUT_S
    while server.status.time_to_live != asked and time.monotonic() < deadline:
        time.sleep(0.1)
        server.refresh()
    if server.status.time_to_live != asked:
        terminal.warn("the operator has not taken it up yet: see devctl list")
        return
    present, expires = now(), time_of(server.status.expires_at)
    terminal.say(
        f"{server.name} lives until {server.status.expires_at} ({ahead(server.status.expires_at, present)})"
    )
    if wanted is not None and expires is not None and expires < wanted + by - timedelta(seconds=2):
        terminal.warn(
            "that is less than you asked for: the operator allows no time further ahead. Extend it again later"
        )
