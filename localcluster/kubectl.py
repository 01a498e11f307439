"""Asking the cluster's API server, as its administrator."""

import json
import re
from pathlib import Path
from typing import Any

import toolchain
from localcluster import kubeconfig
from localcluster.errors import CommandFailed, LocalClusterError
from localcluster.paths import Paths
from localcluster.run import run_path
from localcluster.settings import Settings

_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def kubectl(paths: Paths, *args: str) -> str:
    """The standard output of a kubectl command; CommandFailed with kubectl's message if it fails."""
    return run_path(toolchain.binary("kubectl"), f"--kubeconfig={paths.admin_kubeconfig}", *args)


def get(paths: Paths, url_path: str) -> Any | None:
    """The object at an API path, or None if it is not there or the server does not answer."""
    try:
        return json.loads(kubectl(paths, "get", "--raw", url_path, "--request-timeout=2s"))
    except CommandFailed:
        return None


def node_ready(paths: Paths, node: str) -> bool:
    """Whether the node is there with the condition Ready."""
    found = get(paths, f"/api/v1/nodes/{node}") or {}
    conditions = found.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def has_default_account(paths: Paths) -> bool:
    """Whether pods can be created in the namespace `default`, which needs its ServiceAccount."""
    return get(paths, "/api/v1/namespaces/default/serviceaccounts/default") is not None


def write_service_account_kubeconfig(
    paths: Paths, settings: Settings, namespace: str, name: str, duration: str
) -> Path:
    """Write a kubeconfig with a new token of a ServiceAccount, valid for `duration` (as in 24h).

    Raises:
        LocalClusterError: a name cannot be that of a Kubernetes object.
        CommandFailed: there is no such ServiceAccount, or the server refuses the duration.
    """
    for part in (namespace, name):
        if not _OBJECT_NAME.fullmatch(part):
            raise LocalClusterError(
                f"{part!r} is no Kubernetes name; give the ServiceAccount as NAMESPACE/NAME"
            )
    token = kubectl(
        paths, "create", "token", name, f"--namespace={namespace}", f"--duration={duration}"
    ).strip()
    target = paths.root / "kubeconfigs" / namespace / name
    target.parent.mkdir(parents=True, exist_ok=True)
    user = f"{namespace}/{name}"
    kubeconfig.write(target, kubeconfig.by_token(settings.name, settings.server, paths.pki, user, token))
    return target
