"""Extending a DevServer's life, as far as the operator allows."""

import time
from datetime import timedelta

from devctl.client import DevServer
from devctl.terminal.output import Terminal
from devctl.times import ahead, now, span, time_of

_EXPIRY_TIMEOUT_S = 15.0


def extend(server: DevServer, by: timedelta, terminal: Terminal) -> None:
    """Extend it, and tell when it ends now, which may be earlier than was asked for."""
    wanted = time_of(server.status.expires_at)
    server.extend(by)
    asked = (server.object["spec"].get("lifecycle") or {}).get("timeToLive")
    deadline = time.monotonic() + _EXPIRY_TIMEOUT_S
    while server.status.time_to_live != asked and time.monotonic() < deadline:
        time.sleep(0.1)
        server.refresh()
    if server.status.time_to_live != asked:
        terminal.warn("The operator has not handled the change yet. See `devctl list`.")
        return
    present, expires = now(), time_of(server.status.expires_at)
    terminal.say(
        f"{server.name} now ends at {server.status.expires_at} (in {ahead(server.status.expires_at, present)})."
    )
    if wanted is not None and expires is not None and expires < wanted + by - timedelta(seconds=2):
        terminal.warn(
            f"The operator's maximum limits this: you asked for {span(by)} more. Extend it again later."
        )
