"""Objects as the API server serves them, harmless and hostile, and clients that have them."""

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, RenderableType

from devctl.client import Client, DevServer
from devctl.config import Config
from devctl.session import Session

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


def condition(type_: str, status: str, reason: str, generation: int = 2) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "m",
        "observedGeneration": generation,
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    }


def server(*conditions: dict[str, Any], spec: dict[str, Any] | None = None, **metadata: Any) -> DevServer:
    obj = {
        "metadata": {"name": "box", "namespace": "dev-alice", "generation": 2, "uid": "u1", **metadata},
        "spec": spec or {},
        "status": {"conditions": list(conditions)},
    }
    return DevServer(Client(Session(Config(), None, None, "dev-alice", "table")), obj)


EVIL = "\x1b]0;owned\x07\x7f\x1b[2J\u202e\u2066[red]x[/red]\r\nrm \x9b31m\u200b"


CLIENT = Client(Session(Config(), None, None, "dev-alice", "table"))


def printed(what: RenderableType, width: int = 200) -> str:
    """As on a terminal with colours."""
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=width, markup=False, color_system="truecolor").print(what)
    return file.getvalue()


def hostile() -> dict[str, Any]:
    """A DevServer as hostile as a broken API server could serve it."""
    condition = {
        "type": EVIL,
        "status": "False",
        "reason": "Bad",
        "message": EVIL,
        "lastTransitionTime": "2030-01-02T11:00:00Z",
    }
    return {
        "metadata": {
            "name": EVIL,
            "namespace": EVIL,
            "uid": EVIL,
            "generation": 1,
            "creationTimestamp": "2030-01-02T10:00:00Z",
        },
        "spec": {
            "owner": EVIL,
            "image": EVIL,
            "flavor": EVIL,
            "home": {"size": EVIL, "onDelete": EVIL},
            "volumes": [{"claimName": EVIL, "mountPath": EVIL, "readOnly": True}],
            "ssh": {"publicKey": f"ssh-ed25519 AAAA {EVIL}", "additionalPublicKeys": [EVIL]},
        },
        "status": {
            "phase": EVIL[:30],
            "flavor": EVIL,
            "expiresAt": "2030-01-02T18:00:00Z",
            "ssh": {"service": EVIL[:60], "port": 22},
            "conditions": [condition, {**condition, "type": "Ready", "observedGeneration": 1}],
            "lastUpdate": {"time": EVIL, "durationSeconds": 1, "changes": {EVIL: 1}},
        },
    }


def assert_inert(text: str) -> None:
    """Only colours and line breaks of our own are left."""
    for control in ("\x1b]", "\x1b[2J", "\u202e", "\u2066", "\x07", "\r", "\x9b", "\u200b"):
        assert control not in text
    assert "\\x1b" in text
