"""A client of a cluster that has some DevServers, for tests of what ssh is told."""

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from devctl.client import Client
from devctl.config import Config
from devctl.session import Session

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"


def client(settings: Config | None = None, servers: tuple[str, ...] = (), context: str = "work") -> Client:
    """A client of a cluster that has these DevServers and is asked for nothing else."""
    session = Session(settings or Config(), None, None, "dev-alice", "table")
    objects = [server_object(name) for name in servers]
    session.__dict__["api"] = SimpleNamespace(
        target=SimpleNamespace(context=context, server="https://10.0.0.1:6443", namespace="dev-alice"),
        list_all=lambda resource, namespace: objects,
    )
    return Client(session)


def server_object(name: str, host_keys: tuple[str, ...] = (KEY,)) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "dev-alice", "uid": "u"},
        "spec": {},
        "status": {"ssh": {"service": f"{name}-ssh", "port": 22, "hostKeys": list(host_keys)}},
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
