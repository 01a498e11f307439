"""A local cluster that is never started."""

from ipaddress import IPv4Network
from pathlib import Path

from localcluster.settings import Settings

SETTINGS = Settings(
    name="x",
    node_subnet=IPv4Network("10.1.0.0/24"),
    service_cidr=IPv4Network("10.2.0.0/16"),
    pod_cidr=IPv4Network("10.3.0.0/24"),
)


def locate(name: str) -> Path:
    """Where the program of that name would be."""
    return Path("/programs") / name
