"""A real single-node Kubernetes cluster in namespaces of its own, for demo, tests and benchmark.

`up` starts it, `down` removes every trace; neither changes the host's network, mounts or kernel settings.
"""

from pathlib import Path

from localcluster.cluster import down, load, up
from localcluster.control import kill, paused, start, stop
from localcluster.errors import LocalClusterError
from localcluster.kubectl import write_service_account_kubeconfig
from localcluster.paths import Paths
from localcluster.settings import Settings
from localcluster.state import existing
from localcluster.status import ComponentStatus, Status, read_status

__all__ = [
    "ComponentStatus",
    "LocalClusterError",
    "Settings",
    "Status",
    "down",
    "kill",
    "kubeconfig_path",
    "load",
    "paused",
    "service_account_kubeconfig",
    "start",
    "status",
    "stop",
    "up",
]


def status(settings: Settings | None = None) -> Status:
    """How the cluster fares; NotRunning if there is none."""
    paths = Paths.of((settings or Settings()).name)
    return read_status(paths, existing(paths))


def kubeconfig_path(settings: Settings | None = None) -> Path:
    """The administrator's kubeconfig; NotRunning if there is no cluster."""
    paths = Paths.of((settings or Settings()).name)
    existing(paths)
    return paths.admin_kubeconfig


def service_account_kubeconfig(
    namespace: str, name: str, duration: str = "24h", settings: Settings | None = None
) -> Path:
    """A new kubeconfig with a token of that ServiceAccount, valid for `duration` (as in 24h, 30m)."""
    paths = Paths.of((settings or Settings()).name)
    return write_service_account_kubeconfig(paths, existing(paths), namespace, name, duration)
