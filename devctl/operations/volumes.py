"""Volumes of a namespace: which there are, and deleting those that no DevServer has."""

from collections.abc import Sequence

from crds.resources import PVC
from devctl.client import Client
from devctl.errors import NotFound, Refused
from devctl.status.volumes import Volume, volumes_of
from devctl.text import nearest


def gather(client: Client) -> list[Volume]:
    """All of the namespace."""
    claims = client.api.list_all(PVC, client.namespace)
    return volumes_of(claims, [server.object for server in client.list()])


def deletable(client: Client, names: Sequence[str]) -> list[Volume]:
    """The volumes of these names. Raises NotFound, or Refused if a DevServer has one."""
    known = {volume.name: volume for volume in gather(client)}
    for name in names:
        if name not in known:
            raise NotFound(f"There is no volume {name} in {client.namespace}{nearest(name, known)}.")
        if known[name].users:
            raise Refused(f"{name} belongs to DevServer {', '.join(known[name].users)}. Delete that first.")
    return [known[name] for name in names]


def delete(client: Client, found: Sequence[Volume]) -> None:
    """Delete these very ones."""
    for volume in found:
        client.api.delete(
            PVC, volume.name, client.namespace, uid=str(volume.object["metadata"].get("uid", ""))
        )
        client.session.terminal.say(f"Deleted {volume.name}.")
