"""Volumes of a namespace, and who has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crds.resources import PVC
from devctl.api import Object
from devctl.client import Client, DevServer
from devctl.errors import NotFound, Refused
from devctl.output import Cell
from devctl.text import ago, nearest

RETAINED_BY_ANNOTATION = "devserver.io/retained-by"
_HOME_SUFFIX = "-home"


@dataclass(frozen=True)
class Volume:
    """A claim. home_of: the DevServer that it is or was the home of. users: DevServers that have it now."""

    object: Object
    home_of: str | None
    users: tuple[str, ...]

    @property
    def name(self) -> str:
        """The claim's name."""
        return str(self.object["metadata"]["name"])

    @property
    def use(self) -> str:
        """In a word: what it is now."""
        if self.users:
            return "home in use" if self.home_of else "in use"
        return "retained home" if self.home_of else "unused"


def volumes(claims: Sequence[Object], servers: Sequence[DevServer]) -> list[Volume]:
    """The claims with who has them. Pure."""
    users: dict[str, list[str]] = {}
    for server in servers:
        spec: Mapping[str, Any] = server.object.get("spec") or {}
        named = [str(item.get("claimName")) for item in spec.get("volumes") or []]
        own = [f"{server.name}{_HOME_SUFFIX}"] if spec.get("home") else []
        for claim in {*named, *own}:
            users.setdefault(claim, []).append(server.name)
    found = [Volume(claim, _home_of(claim), tuple(sorted(users.get(_name(claim), [])))) for claim in claims]
    return sorted(found, key=lambda volume: volume.name)


def _name(claim: Object) -> str:
    return str(claim["metadata"]["name"])


def _home_of(claim: Object) -> str | None:
    """The DevServer's name in `devserver.NAMESPACE.NAME`."""
    retained_by = str((claim["metadata"].get("annotations") or {}).get(RETAINED_BY_ANNOTATION, ""))
    kind, _, rest = retained_by.partition(".")
    return rest.rpartition(".")[2] or None if kind == "devserver" else None


def gather(client: Client) -> list[Volume]:
    """All of the namespace."""
    return volumes(client.api.list_all(PVC, client.namespace), client.list())


def show(client: Client, now: datetime) -> None:
    """Print them."""
    found = gather(client)
    columns = ["NAME", "WHAT", "DEVSERVER", "SIZE", "PHASE", "AGE"]
    client.session.terminal.objects(
        client.session.output,
        [volume.object for volume in found],
        lambda: (columns, [_row(volume, now) for volume in found]),
        f"There are no volumes in namespace {client.namespace}",
    )


def _row(volume: Volume, now: datetime) -> list[Cell]:
    spec, status = volume.object.get("spec") or {}, volume.object.get("status") or {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "-")
    return [
        volume.name,
        volume.use,
        ", ".join(volume.users) or volume.home_of or "-",
        str((status.get("capacity") or {}).get("storage", asked)),
        str(status.get("phase", "-")),
        ago(volume.object["metadata"].get("creationTimestamp"), now),
    ]


def deletable(client: Client, names: Sequence[str]) -> list[Volume]:
    """The volumes of these names. Raises NotFound, or Refused if a DevServer has one."""
    known = {volume.name: volume for volume in gather(client)}
    for name in names:
        if name not in known:
            raise NotFound(f"there is no volume {name} in {client.namespace}{nearest(name, known)}")
        if known[name].users:
            raise Refused(f"{name} belongs to DevServer {', '.join(known[name].users)}: delete that first")
    return [known[name] for name in names]


def delete(client: Client, found: Sequence[Volume]) -> None:
    """Delete these very ones."""
    for volume in found:
        client.api.delete(
            PVC, volume.name, client.namespace, uid=str(volume.object["metadata"].get("uid", ""))
        )
        client.session.terminal.say(f"{volume.name} is deleted")
