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
            f"Limited to {span(_rounded(expires - present))} from now, the operator's maximum; you asked for "
            f"{span(_rounded(wanted + by - present))}. Extend it again later."
        )


def _rounded(time: timedelta) -> timedelta:
    """To ten seconds, so that the moments which the commands took are not told."""
    return round(time / timedelta(seconds=10)) * timedelta(seconds=10)
