"""Kubeconfigs: who signs in, where, and which authority vouches for the server.

Everything is embedded: a file works wherever it is copied to, and the cluster's own authority counts,
whatever SSL_CERT_FILE says.
"""

import base64
import os
from pathlib import Path
from typing import Any

import yaml

LOOPBACK_SERVER = "https://127.0.0.1:6443"


def by_certificate(cluster: str, server: str, pki: Path, identity: str) -> dict[str, Any]:
    """The kubeconfig of one of the cluster's own certificates."""
    credentials = {
        "client-certificate-data": _encoded(pki / f"{identity}.crt"),
        "client-key-data": _encoded(pki / f"{identity}.key"),
    }
    return _kubeconfig(cluster, server, pki, identity, credentials)


def by_token(cluster: str, server: str, pki: Path, user: str, token: str) -> dict[str, Any]:
    """The kubeconfig of a ServiceAccount's token."""
    return _kubeconfig(cluster, server, pki, user, {"token": token})


def write(path: Path, kubeconfig: dict[str, Any]) -> None:
    """Write `kubeconfig` so that only its owner can read it, at once or not at all."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(kubeconfig, file, sort_keys=False)
    draft.replace(path)


def _kubeconfig(
    cluster: str, server: str, pki: Path, user: str, credentials: dict[str, str]
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [
            {
                "name": cluster,
                "cluster": {"server": server, "certificate-authority-data": _encoded(pki / "ca.crt")},
            }
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
