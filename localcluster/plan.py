"""What the supervisor does inside the cluster's namespaces, as plain data.

Inside, the state directory is bound to /run/localcluster and every component uses its standard directories in
private copies of /run, /var and /tmp; nothing here depends on where the host keeps the state.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from localcluster.components import Argv, Locate, components
from localcluster.config import KERNEL_SETTINGS
from localcluster.paths import INSIDE
from localcluster.settings import Settings

NODE_INTERFACE = "eth0"
# The host's directories whose changes stay in the cluster, and the modes of their private copies.
_PRIVATE = {"/var": "755", "/tmp": "1777"}
# Where components keep data, and the directory below data/ that is bound there. The last place is built into
# the controller-manager's host-path provisioner.
_DATA = {
    "/var/lib/etcd": "etcd",
    "/var/lib/containerd": "containerd",
    "/var/lib/kubelet": "kubelet",
    "/var/log/pods": "pod-logs",
    "/tmp/hostpath_pv": "volumes",
}


def plan(settings: Settings, state: Path, locate: Locate) -> dict[str, Any]:
    """The supervisor's plan for a cluster whose files lie in `state`; `locate` finds programs by name."""
    return {
        "root": str(INSIDE.root),
        "interface": NODE_INTERFACE,
        "setup": [*_mounts(state), *_network(settings)],
        "components": [asdict(component) for component in components(settings, locate)],
    }


def _mounts(state: Path) -> list[Argv]:
    commands: list[Argv] = [
        ("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"),
        ("mkdir", "-p", "/run/lock", "/run/netns", str(INSIDE.root)),
        ("mount", "--bind", str(state), str(INSIDE.root)),
    ]
    for directory, mode in _PRIVATE.items():
        upper, work = f"/run/overlay{directory}/upper", f"/run/overlay{directory}/work"
        options = f"lowerdir={directory},upperdir={upper},workdir={work}"
        commands += [
            ("mkdir", "-p", upper, work),
            ("chmod", mode, upper),
            ("mount", "-t", "overlay", "-o", options, "overlay", directory),
        ]
    for place, name in _DATA.items():
        commands += [
            ("mkdir", "-p", "-m", "700", str(INSIDE.data / name)),
            ("mkdir", "-p", place),
            ("mount", "--bind", str(INSIDE.data / name), place),
        ]
    for path in KERNEL_SETTINGS:
        commands.append(("mount", "--bind", str(INSIDE.config / "sysctl" / path), f"/proc/sys/{path}"))
    return commands


def _network(settings: Settings) -> list[Argv]:
    address = f"{settings.node_ip}/{settings.node_subnet.prefixlen}"
    return [
        ("ip", "link", "set", "lo", "up"),
        ("ip", "link", "set", NODE_INTERFACE, "addrgenmode", "none"),
        ("ip", "address", "add", address, "dev", NODE_INTERFACE),
        ("ip", "link", "set", NODE_INTERFACE, "up"),
        ("sysctl", "-q", "-w", "net.ipv4.ip_forward=1"),
    ]
