"""Volumes of a namespace, and which DevServers have them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from devctl.objects import Object

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


def volumes_of(claims: Sequence[Object], servers: Sequence[Object]) -> list[Volume]:
    """The claims, by name, each with the DevServers that have it."""
    users: dict[str, list[str]] = {}
    for server in servers:
        name, spec = _name(server), server.get("spec") or {}
        named = [str(item.get("claimName")) for item in spec.get("volumes") or []]
        own = [f"{name}{_HOME_SUFFIX}"] if spec.get("home") else []
        for claim in {*named, *own}:
            users.setdefault(claim, []).append(name)
    found = [Volume(claim, _home_of(claim), tuple(sorted(users.get(_name(claim), [])))) for claim in claims]
    return sorted(found, key=lambda volume: volume.name)


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _home_of(claim: Object) -> str | None:
    """The DevServer's name in `devserver.NAMESPACE.NAME`."""
    retained_by = str((claim["metadata"].get("annotations") or {}).get(RETAINED_BY_ANNOTATION, ""))
    kind, _, rest = retained_by.partition(".")
    return rest.rpartition(".")[2] or None if kind == "devserver" else None
