"""Existing volumes in a DevServer's pod: where they may be mounted, and each path once."""

import json
from typing import Annotated

from pydantic import Field

from crds.base import Model
from crds.fields import DnsSubdomain, pattern
from crds.rules import Detail, Rule, UniqueBy

# Where nothing can be mounted without harm to the image or to the operator's own mounts, and where nothing can be
# mounted below either: kernel file systems and volumes of the operator's own.
RESERVED_PATHS = ("/etc", "/opt", "/run")
RESERVED_TREES = ("/dev", "/etc/devserver", "/etc/devserver-hostkeys", "/opt/devserver", "/proc", "/sys")


def _free_path(path: str) -> bool:
    return (
        path not in RESERVED_PATHS + RESERVED_TREES
        and not path.startswith(tuple(f"{tree}/" for tree in RESERVED_TREES))
        and not {".", ".."} & set(path.split("/"))
    )


def _cel_list(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"


MountPath = Annotated[
    str,
    Field(pattern=pattern("(/[A-Za-z0-9_@+.-]+)+"), max_length=256),
    Rule(
        f"!(self in {_cel_list(RESERVED_PATHS)}) && "
        f"!{_cel_list(RESERVED_TREES)}.exists(tree, self == tree || self.startsWith(tree + '/')) && "
        "!self.split('/').exists(part, part == '.' || part == '..')",
        "must be an absolute path without '.' or '..', other than "
        + ", ".join(RESERVED_PATHS)
        + " and not in "
        + ", ".join(RESERVED_TREES),
        _free_path,
    ),
]


class VolumeMount(Model):
    """An existing PersistentVolumeClaim of the DevServer's namespace, mounted at a path."""

    claim_name: Annotated[
        DnsSubdomain,
        Field(
            description="Name of the PersistentVolumeClaim, in the DevServer's namespace. The pod waits until the "
            "claim exists and has a volume."
        ),
    ]
    mount_path: Annotated[
        MountPath,
        Field(description="Absolute path in the container. Each path can be used once."),
    ]
    read_only: Annotated[
        bool, Field(description="true mounts the volume without write access. The default is false.")
    ] = False


def _sharing_a_path(volumes: list[VolumeMount]) -> list[str]:
    paths = [volume.mount_path for volume in volumes]
    return [
        f"{volume.claim_name} at {volume.mount_path}"
        for volume in volumes
        if paths.count(volume.mount_path) > 1
    ]


_ALONE = "self.exists_one(other, other.mountPath == one.mountPath)"
_ONE_PER_PATH = Rule(
    f"self.all(one, {_ALONE})",
    "two volumes on one path",
    lambda volumes: not _sharing_a_path(volumes),
    # The API server admits no rule whose cost it cannot bound: that of a text joined from texts, for example.
    Detail(
        f"'two volumes on one path: %s'.format([self.map(one, !{_ALONE}, one.claimName + ' at ' + one.mountPath)])",
        lambda volumes: f"two volumes on one path: {json.dumps(_sharing_a_path(volumes))}",
    ),
)
Volumes = Annotated[list[VolumeMount], Field(max_length=16), _ONE_PER_PATH, UniqueBy("mount_path")]
