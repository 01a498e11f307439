"""The host's end of the link to the node, and the host's routes to Services and pods.

All of it hangs on one interface, which vanishes together with the cluster's network namespace.
"""

import socket

from localcluster.errors import CommandFailed
from localcluster.plan import NODE_INTERFACE
from localcluster.run import run
from localcluster.settings import Settings


def connect(settings: Settings, supervisor_pid: int) -> None:
    """Link the host with the network namespace of a process; links that exist are kept."""
    if not _exists(settings.veth):
        peer = ("peer", "name", NODE_INTERFACE, "netns", str(supervisor_pid))
        run("ip", "link", "add", settings.veth, "type", "veth", *peer)
    run("ip", "link", "set", settings.veth, "addrgenmode", "none")
    run(
        "ip",
        "address",
        "replace",
        f"{settings.host_ip}/{settings.node_subnet.prefixlen}",
        "dev",
        settings.veth,
    )
    run("ip", "link", "set", settings.veth, "up")
    for network in (settings.service_cidr, settings.pod_cidr):
        run("ip", "route", "replace", str(network), "via", str(settings.node_ip), "dev", settings.veth)


def disconnect(settings: Settings) -> None:
    """Remove the link, and with it its addresses and routes; nothing to do is fine."""
    try:
        run("ip", "link", "delete", settings.veth)
    except CommandFailed:
        # Not there; or just gone, as the kernel removes it together with a namespace that ended.
        if _exists(settings.veth):
            raise


def _exists(interface: str) -> bool:
    return interface in (name for _, name in socket.if_nameindex())
