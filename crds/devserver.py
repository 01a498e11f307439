"""DevServer: one development machine."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from crds.base import (
    CommonStatus,
    CustomResource,
    DnsSubdomain,
    ImageName,
    Model,
    Spec,
    StatusModel,
    StorageSize,
    Volumes,
    parse_quantity,
    pattern,
)
from crds.rules import Rule, UniqueBy
from crds.times import parse_duration

# Children are named NAME-SUFFIX. A DevServer must not have a name that is a child's name of another one.
CHILD_SUFFIXES = ("ssh", "hostkeys", "sshd", "home")
# The longest name that still leaves room for the suffixes and the pod's ordinal in 63 characters.
MAX_NAME_LENGTH = 52
_NAME = "[a-z]([a-z0-9-]*[a-z0-9])?"

_NAME_RULES = (
    Rule(
        f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
        f"metadata.name must have at most {MAX_NAME_LENGTH} characters",
        lambda name: len(name) <= MAX_NAME_LENGTH,
    ),
    Rule(
        f"self.metadata.name.matches('^{_NAME}$')",
        "metadata.name must consist of a-z, 0-9 and '-', begin with a letter and not end with '-'",
        lambda name: re.fullmatch(_NAME, name) is not None,
    ),
    Rule(
        "!self.metadata.name.matches('-(" + "|".join(CHILD_SUFFIXES) + ")$')",
        "metadata.name must not end with "
        + ", ".join(f"-{suffix}" for suffix in CHILD_SUFFIXES)
        + ": these are names of the children",
        lambda name: not name.endswith(tuple(f"-{suffix}" for suffix in CHILD_SUFFIXES)),
    ),
)

MIN_TIME_TO_LIVE = timedelta(seconds=10)
MAX_TIME_TO_LIVE = timedelta(days=365)

_KEY_TYPES = (
    r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)"
    r"|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com"
)
PublicKey = Annotated[
    str,
    Field(
        pattern=pattern(rf"({_KEY_TYPES}) [A-Za-z0-9+/]+={{0,2}}( [\x20-\x7e]{{0,256}})?"),
        max_length=6144,
        description="One line in the format of authorized_keys, without options, for example the content of "
        "~/.ssh/id_ed25519.pub.",
    ),
]


class Ssh(Model):
    """Who may log in."""

    public_key: PublicKey
    additional_public_keys: Annotated[list[PublicKey], Field(max_length=16)] = []


class Lifecycle(Model):
    """When the DevServer ends."""

    time_to_live: (
        Annotated[
            str,
            Field(
                pattern=pattern("([0-9]{1,4}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?"),
                min_length=2,
                max_length=20,
                description="Counted from creation, for example 8h, 1h30m or 45m. Raise it to extend the time; "
                "the operator's setting bounds how far ahead the end may lie.",
            ),
            Rule(
                "duration(self) >= duration('10s') && duration(self) <= duration('8760h')",
                "must be a duration such as 8h, 1h30m or 45m, from 10s to 8760h",
                lambda text: MIN_TIME_TO_LIVE <= parse_duration(text) <= MAX_TIME_TO_LIVE,
            ),
        ]
        | None
    ) = None


HOME_PATH = "/home/dev"


class Home(Model):
    """A volume of the DevServer's own for /home/dev. It survives restarts, stop and start."""

    size: Annotated[
        StorageSize,
        Rule(
            "quantity(self).compareTo(quantity(oldSelf)) >= 0",
            "a home cannot shrink: keep the size or raise it",
        ),
        Rule(
            "quantity(self).isGreaterThan(quantity('0'))",
            "must be more than 0",
            lambda s: parse_quantity(s) > 0,
        ),
    ]
    storage_class_name: DnsSubdomain | None = None
    on_delete: Annotated[
        Literal["Retain", "Delete"],
        Field(description="What happens to the volume when the DevServer is deleted or expires."),
    ] = "Retain"


_HOME_STAYS = Rule(
    "has(self.storageClassName) == has(oldSelf.storageClassName) && "
    "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    "storageClassName of a home cannot be changed: the data would have to move",
)


class EnvVar(Model):
    """An environment variable of the container and of every SSH session."""

    name: Annotated[str, Field(pattern=pattern("[A-Za-z_][A-Za-z0-9_]*"), max_length=128)]
    value: Annotated[str, Field(pattern=pattern(r"[^\x00-\x08\x0a-\x1f\x7f]*"), max_length=4096)] = ""


class LocalReference(Model):
    """A Secret in the DevServer's namespace."""

    name: DnsSubdomain


class DevServerSpec(Spec):
    """What a user asks for."""

    owner: Annotated[
        str,
        Field(
            pattern=pattern("[A-Za-z0-9][A-Za-z0-9._:@+/#=-]*"),
            max_length=253,
            description="The user whom the DevServer belongs to.",
        ),
        Rule("self == oldSelf", "cannot be changed: create another DevServer"),
    ]
    flavor: (
        Annotated[DnsSubdomain, Field(description="Name of a DevServerFlavor; without it the default one.")]
        | None
    ) = None
    image: ImageName
    image_pull_secrets: Annotated[list[LocalReference], Field(max_length=8), UniqueBy("name")] = []
    ssh: Ssh
    lifecycle: Lifecycle = Lifecycle()
    volumes: Volumes = []
    home: Annotated[Home, _HOME_STAYS] | None = None
    running: Annotated[bool, Field(description="false stops the pod; home and host keys stay.")] = True
    update_policy: Annotated[
        Literal["WhenRestarted", "Now"],
        Field(
            description="When a change that the user did not make (of the flavor or the operator) reaches a "
            "running pod: at its next restart or now. Changes of this spec restart it at once."
        ),
    ] = "WhenRestarted"
    env: Annotated[list[EnvVar], Field(max_length=64), UniqueBy("name")] = []


class SshStatus(StatusModel):
    """How to reach the DevServer."""

    service: Annotated[str, Field(max_length=63)]
    port: Annotated[int, Field(ge=1, le=65535)]
    host_keys: Annotated[
        list[Annotated[str, Field(max_length=6144)]],
        Field(max_length=8, description="Public host keys: put them into known_hosts and check them."),
    ] = []


class SshAddress(StatusModel):
    """Where to connect to, by the type of the SSH Service."""

    type: Annotated[str, Field(max_length=32, description="ClusterIP, NodePort or LoadBalancer.")]
    host: Annotated[
        str,
        Field(
            max_length=253,
            description="The Service's name in the cluster (ClusterIP), the address of the pod's node (NodePort) or "
            "the load balancer's.",
        ),
    ]
    port: Annotated[int, Field(ge=1, le=65535)]


class DevServerStatus(CommonStatus):
    """What the operator observed and did."""

    expires_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    time_to_live: (
        Annotated[str, Field(max_length=20, description="The timeToLive that expiresAt was computed from.")]
        | None
    ) = None
    flavor: Annotated[str, Field(max_length=253, description="The flavor in use.")] | None = None
    ssh: SshStatus | None = None
    ssh_address: SshAddress | None = None


def is_valid_name(name: str) -> bool:
    """Whether a DevServer may have this name."""
    return all(rule.holds is not None and rule.holds(name) for rule in _NAME_RULES)


_ONE_HOME = Rule(
    f"!has(self.home) || !has(self.volumes) || self.volumes.all(volume, volume.mountPath != '{HOME_PATH}')",
    f"volumes: {HOME_PATH} is where spec.home is mounted, choose another mountPath",
    lambda spec: spec.home is None or all(volume.mount_path != HOME_PATH for volume in spec.volumes),
)


class DevServer(CustomResource):
    """A development machine: a pod made from any image that its owner reaches over SSH."""

    name_rules = _NAME_RULES

    spec: Annotated[DevServerSpec, _ONE_HOME]
    status: DevServerStatus = DevServerStatus()
