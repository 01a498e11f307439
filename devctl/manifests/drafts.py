"""The manifest of a new DevServer, from what the user asks for, the settings and the cluster."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from crds import API_VERSION
from crds.devserver import MAX_TIME_TO_LIVE, DevServer
from crds.times import parse_duration
from devctl.errors import Misuse
from devctl.kube.identity import owner_of
from devctl.manifests import keys
from devctl.objects import Object
from devctl.session import Session

# The option that a field of the spec comes from, for messages.
_OPTIONS = {
    "metadata": "NAME",
    "flavor": "--flavor",
    "image": "--image",
    "timeToLive": "--ttl",
    "home": "--home",
    "volumes": "--volume",
    "ssh": "--key",
    "owner": "owner (see devctl config)",
}

# A pattern would tell a user little.
_EXAMPLES = {
    "--flavor": "cpu-small",
    "--image": "debian:bookworm",
    "--ttl": "8h, 1h30m or 45m",
    "--home": "10Gi",
    "--volume": "my-claim:/data",
    "--key": "`ssh-ed25519 AAAA... comment`",
}

_FIRST = "amber brave calm clever crisp eager fair fleet gentle keen lively lucky merry noble quick quiet sunny swift"
_SECOND = "badger crane dingo falcon finch gecko heron ibex jackal koala lemur lynx marten otter panda raven seal tapir"


@dataclass(frozen=True)
class Wishes:
    """What a user says of a new DevServer; None and empty: as the settings and the cluster have it.

    volumes: `PVC:/path[:ro]`. keys: files of public keys, the first one is the main one.
    """

    name: str | None = None
    image: str | None = None
    flavor: str | None = None
    time_to_live: str | None = None
    home: str | None = None
    volumes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def draft(session: Session, wishes: Wishes) -> Object:
    """The manifest. Raises Misuse, which names the option and what is wrong with it."""
    settings = session.config
    public = [keys.read(file) for file in wishes.keys] or [keys.default(settings.key)]
    spec: Object = {
        "owner": settings.owner or owner_of(session.api, session.namespace),
        "image": wishes.image or settings.image,
        "flavor": wishes.flavor or settings.flavor,
        "ssh": {"publicKey": public[0], "additionalPublicKeys": public[1:] or None},
        "lifecycle": {"timeToLive": wishes.time_to_live or settings.time_to_live},
        "home": home(wishes.home or settings.home),
        "volumes": [volume(text) for text in wishes.volumes] or None,
    }
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "DevServer",
        "metadata": {"name": wishes.name or made_up_name(), "namespace": session.namespace},
        "spec": _without_none(spec),
    }
    check(manifest)
    return manifest


def made_up_name() -> str:
    """A name that is easy to say and hardly taken: `swift-otter-41`."""
    words = secrets.choice(_FIRST.split()), secrets.choice(_SECOND.split())
    return f"{words[0]}-{words[1]}-{secrets.randbelow(90) + 10}"


def home(size: str | None) -> Object | None:
    """The home of a size; `none` is no home, against the settings."""
    return None if size in (None, "none") else {"size": size}


def volume(text: str) -> Object:
    """The volume that `PVC:/path[:ro]` stands for. Raises Misuse."""
    claim, *rest = text.split(":")
    if len(rest) not in (1, 2) or rest[1:] not in ([], ["ro"], ["rw"]):
        raise Misuse(f"--volume {text!r} must have the form PVC:/path or PVC:/path:ro.")
    return {"claimName": claim, "mountPath": rest[0], "readOnly": rest[1:] == ["ro"]}


def check(manifest: Object) -> None:
    """Hold the models' rules against a manifest. Raises Misuse."""
    try:
        DevServer.model_validate(manifest)
    except ValidationError as error:
        raise Misuse("; ".join(dict.fromkeys(_fault(item) for item in error.errors()))) from error


def check_name(name: str) -> None:
    """Whether a DevServer may have that name. Raises Misuse."""
    for rule in DevServer.name_rules:
        try:
            rule.check(name)
        except ValueError as error:
            raise Misuse(f"{name!r} is not a valid DevServer name: {error}") from error


def _fault(error: Any) -> str:
    where = [part for part in error["loc"] if isinstance(part, str)]
    option = next((_OPTIONS[part] for part in where if part in _OPTIONS), "")
    message = error["msg"].removeprefix("Value error, ")
    if (
        error["type"] in ("string_pattern_mismatch", "string_too_short", "string_too_long")
        and option in _EXAMPLES
    ):
        message = f"invalid value, use for example {_EXAMPLES[option]}"
    if not where:
        return f"NAME: {message}" if message.startswith("metadata.name") else message
    value = error["input"]
    shown = f" {value!r}" if isinstance(value, str) and len(value) <= 80 else ""
    return f"{option or '.'.join(where)}{shown}: {message}"


def extended(created: datetime, expires: datetime, by: timedelta) -> str:
    """The timeToLive that lets a DevServer live longer than `expires` by so much. Raises Misuse."""
    if by <= timedelta():
        raise Misuse("--by must be more than zero, for example 4h.")
    total = expires - created + by
    if total > MAX_TIME_TO_LIVE:
        raise Misuse(f"A DevServer can live at most {MAX_TIME_TO_LIVE.days} days from its creation.")
    seconds = round(total.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    text = "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count)
    parse_duration(text)
    return text


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
