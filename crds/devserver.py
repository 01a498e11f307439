"""DevServer: one development machine."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from crds.base import CommonStatus, CustomResource, Model, Spec
from crds.fields import DnsSubdomain, ImageName, pattern
from crds.home import HOME_PATH, HOME_STAYS, Home
from crds.rules import Rule, UniqueBy
from crds.ssh import Ssh, SshAddress, SshStatus
from crds.times import parse_duration
from crds.volumes import Volumes

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
        + ": the operator uses these names for objects that it makes",
        lambda name: not name.endswith(tuple(f"-{suffix}" for suffix in CHILD_SUFFIXES)),
    ),
)

MIN_TIME_TO_LIVE = timedelta(seconds=10)
MAX_TIME_TO_LIVE = timedelta(days=365)


class Lifecycle(Model):
    """When the DevServer is deleted."""

    time_to_live: (
        Annotated[
            str,
            Field(
                pattern=pattern("([0-9]{1,4}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?"),
                min_length=2,
                max_length=20,
                description="How long the DevServer lives, counted from its creation, for example 8h, 1h30m or 45m; at "
                "least 10s. Raise it to extend the time. The end can lie at most 7 days ahead (a setting of the "
                "operator, DEVSERVER_MAX_TIME_TO_LIVE_S). Without it, the operator's default applies; unless an "
                "administrator set one, the DevServer never expires.",
            ),
            Rule(
                "duration(self) >= duration('10s') && duration(self) <= duration('8760h')",
                "must be a duration such as 8h, 1h30m or 45m, from 10s to 8760h",
                lambda text: MIN_TIME_TO_LIVE <= parse_duration(text) <= MAX_TIME_TO_LIVE,
            ),
        ]
        | None
    ) = None


class EnvVar(Model):
    """An environment variable of the container and of every SSH session."""

    name: Annotated[
        str,
        Field(
            pattern=pattern("[A-Za-z_][A-Za-z0-9_]*"),
            max_length=128,
            description="Name of the variable: letters, digits and underscores.",
        ),
    ]
    value: Annotated[
        str,
        Field(
            pattern=pattern(r"[^\x00-\x08\x0a-\x1f\x7f]*"),
            max_length=4096,
            description="Value of the variable, taken as it is: $(NAME) is not expanded. The default is an empty "
            "value. It is stored unencrypted, so put no passwords here.",
        ),
    ] = ""


class LocalReference(Model):
    """A Secret in the DevServer's namespace."""

    name: Annotated[DnsSubdomain, Field(description="Name of the Secret.")]


class DevServerSpec(Spec):
    """The DevServer that the user asks for."""

    owner: Annotated[
        str,
        Field(
            pattern=pattern("[A-Za-z0-9][A-Za-z0-9._:@+/#=-]*"),
            max_length=253,
            description="The user whom the DevServer belongs to. It cannot be changed later.",
        ),
        Rule("self == oldSelf", "cannot be changed: create another DevServer"),
    ]
    flavor: (
        Annotated[
            DnsSubdomain,
            Field(
                description="Name of a DevServerFlavor, which sets size and placement of the pod. Without it, the "
                "default flavor is used. A change restarts the pod."
            ),
        ]
        | None
    ) = None
    image: Annotated[
        ImageName,
        Field(
            description="Container image of the DevServer, for example debian:bookworm. It needs no SSH server of its "
            "own. A change restarts the pod."
        ),
    ]
    image_pull_secrets: Annotated[
        list[LocalReference],
        Field(
            max_length=8,
            description="Secrets of the DevServer's namespace with the credentials of the image's registry. A change "
            "restarts the pod.",
        ),
        UniqueBy("name"),
    ] = []
    ssh: Ssh
    lifecycle: Lifecycle = Lifecycle()
    volumes: Annotated[
        Volumes,
        Field(
            description="Existing PersistentVolumeClaims to mount. An entry wins over one of the flavor at the same "
            "path. A change restarts the pod."
        ),
    ] = []
    home: Annotated[Home, HOME_STAYS] | None = None
    running: Annotated[
        bool,
        Field(
            description="false stops the pod. Home and host keys stay, and the time to live runs on. The default is "
            "true."
        ),
    ] = True
    update_policy: Annotated[
        Literal["WhenRestarted", "Now"],
        Field(
            description="When a change of the flavor or an upgrade of the operator reaches a running pod. "
            "WhenRestarted (the default): at the pod's next restart. Now: the pod is restarted at once. Changes of "
            "this spec restart the pod at once in either case."
        ),
    ] = "WhenRestarted"
    env: Annotated[
        list[EnvVar],
        Field(
            max_length=64,
            description="Environment variables of the container and of every SSH session. A change restarts the pod.",
        ),
        UniqueBy("name"),
    ] = []


class DevServerStatus(CommonStatus):
    """The state of the DevServer, as the operator last saw it."""

    expires_at: (
        Annotated[
            str,
            Field(
                description="When the DevServer expires and is deleted (RFC 3339, UTC). Absent if it does not expire.",
                json_schema_extra={"format": "date-time"},
            ),
        ]
        | None
    ) = None
    time_to_live: (
        Annotated[
            str,
            Field(
                max_length=20,
                description="The time to live that expiresAt was computed from: the one of the spec, else the "
                "operator's default.",
            ),
        ]
        | None
    ) = None
    flavor: (
        Annotated[
            str,
            Field(
                max_length=253,
                description="Name of the flavor in use: the one that the spec names, else the default flavor.",
            ),
        ]
        | None
    ) = None
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
