"""What all kinds are built from: the model bases and shared field types."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from crds.rules import Detail, Rule, UniqueBy

DNS_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"


class Model(BaseModel):
    """A part of a spec: immutable, made from a manifest's camelCase; unknown fields and other types are errors."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        # devctl starts more often than it needs them all.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, value: Any) -> Any:
        """The API server takes a field that is null for one that is not there."""
        if not isinstance(value, dict) or all(item is not None for item in value.values()):
            return value
        known = {field.alias for field in cls.model_fields.values()}
        return {name: item for name, item in value.items() if item is not None or name not in known}

    def manifest(self) -> dict[str, Any]:
        """The part as a manifest holds it: camelCase keys, fields without a value left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Spec(Model):
    """What the spec of every kind has."""

    drift_policy: Annotated[
        Literal["Repair", "Observe"],
        Field(
            description="What the operator does when someone else deletes or changes an object that it made. Repair "
            "(the default): it puts the object back at once. Observe: it leaves the object as it is and sets the "
            "condition Drifted."
        ),
    ] = "Repair"


class StatusModel(BaseModel):
    """A part of a status: fields of other versions of the operator are ignored when it is read."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True
    )

    def manifest(self) -> dict[str, Any]:
        """The part as it is written to the API server."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def pattern(regex: str) -> str:
    """A pattern for a whole value. Neither engine lets its `$` match before a trailing newline."""
    return f"^(?:{regex})$"


_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_QUANTITY = r"[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?"


def parse_quantity(text: str) -> Decimal:
    """The number that a Kubernetes quantity stands for: `500m` is 0.5, `1Ki` is 1024, `1e3` is 1000.

    Raises ValueError on anything else; nothing is guessed and no default is taken.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)((?:[eE][+-]?[0-9]{1,2})|[A-Za-z]*)", text)
    if match:
        number, suffix = Decimal(match[1]), match[2]
        if suffix[-1:].isdigit():
            return Decimal(match[0])
        if suffix in _SUFFIXES:
            return number * Decimal(10) ** _SUFFIXES[suffix]
        if suffix in _BINARY_SUFFIXES:
            return number * Decimal(2) ** _BINARY_SUFFIXES[suffix]
    raise ValueError(f"{text!r} is not a quantity such as 500m, 2 or 4Gi")


# A quantity may be written as a number in YAML (`cpu: 2`), so the schema says int-or-string, as in the
# Kubernetes API itself; in Python it is always a string. A pattern binds strings only, bounds bind numbers only.
_NUMBER_TOO = {"x-kubernetes-int-or-string": True, "minimum": 0, "maximum": 10**15 - 1}
Quantity = Annotated[
    str,
    Field(pattern=pattern(_QUANTITY), max_length=32, json_schema_extra=_NUMBER_TOO),
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
]
StorageSize = Annotated[str, Field(pattern=pattern(_QUANTITY), max_length=32)]


# The longest prefix, a slash and the longest name.
_QUALIFIED_NAME_LENGTH = 253 + 1 + 63
_QUALIFIED_NAME = rf"({DNS_SUBDOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{{0,61}}[A-Za-z0-9])?"


def _are_qualified_names(mapping: Mapping[str, Any]) -> bool:
    return all(
        len(key) <= _QUALIFIED_NAME_LENGTH and re.fullmatch(_QUALIFIED_NAME, key) is not None
        for key in mapping
    )


def keys_rule(message: str) -> Rule:
    """Every key of a mapping is a qualified name (the schema itself has no means to say so)."""
    escaped = _QUALIFIED_NAME.replace("\\", "\\\\")
    cel = f"self.all(key, key.size() <= {_QUALIFIED_NAME_LENGTH} && key.matches('^(?:{escaped})$'))"
    return Rule(cel, message, _are_qualified_names)


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if item is not None}


# As in a model.
_NULL_IS_LEFT_OUT = BeforeValidator(_without_nulls)
_KEY_MESSAGE = "keys must be names such as cpu, memory or nvidia.com/gpu"
ResourceList = Annotated[
    dict[str, Quantity], Field(max_length=16), keys_rule(_KEY_MESSAGE), _NULL_IS_LEFT_OUT
]
LabelValue = Annotated[
    str, Field(pattern=pattern("([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?"), max_length=63)
]
LabelKey = Annotated[str, Field(pattern=pattern(_QUALIFIED_NAME), max_length=_QUALIFIED_NAME_LENGTH)]
NodeSelector = Annotated[
    dict[str, LabelValue],
    Field(max_length=16),
    keys_rule("keys must be label names such as kubernetes.io/arch"),
    _NULL_IS_LEFT_OUT,
]
DnsLabel = Annotated[str, Field(pattern=pattern(DNS_LABEL), max_length=63)]
DnsSubdomain = Annotated[str, Field(pattern=pattern(DNS_SUBDOMAIN), max_length=253)]
ImageName = Annotated[
    str,
    Field(
        pattern=pattern("[A-Za-z0-9][A-Za-z0-9._:/@-]*"),
        max_length=512,
        description="Image reference, for example debian:bookworm.",
    ),
]

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


class Condition(StatusModel):
    """A Kubernetes condition (metav1.Condition)."""

    type: Annotated[
        str, Field(max_length=316, description="What the condition is about, for example Ready or Stalled.")
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="Whether the condition holds.")]
    observed_generation: (
        Annotated[
            int,
            Field(
                ge=0,
                description="metadata.generation of the spec that the condition is about. For Ready this is the last "
                "spec that was applied.",
            ),
        ]
        | None
    ) = None
    last_transition_time: Annotated[
        str,
        Field(
            description="When the status last changed (RFC 3339, UTC).",
            json_schema_extra={"format": "date-time"},
        ),
    ]
    reason: Annotated[
        str,
        Field(
            pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            max_length=1024,
            description="One word for programs. docs/troubleshooting.md explains each reason.",
        ),
    ]
    message: Annotated[
        str, Field(max_length=32768, description="What happened and what to do about it, in words.")
    ] = ""


class LastUpdate(StatusModel):
    """A successful Pulumi run."""

    time: Annotated[
        str,
        Field(description="When the run ended (RFC 3339, UTC).", json_schema_extra={"format": "date-time"}),
    ]
    duration_seconds: Annotated[float, Field(ge=0, description="How long the run took, in seconds.")]
    changes: Annotated[
        dict[str, int],
        Field(max_length=16, description="Number of objects by operation (create, update, delete, same)."),
    ]


class CommonStatus(StatusModel):
    """What the status of every kind has."""

    observed_generation: (
        Annotated[
            int,
            Field(
                ge=0,
                description="metadata.generation of the spec that the operator looked at for this status.",
            ),
        ]
        | None
    ) = None
    phase: (
        Annotated[
            str,
            Field(
                max_length=32,
                description="One word for people, for example Running. Programs should read the conditions.",
            ),
        ]
        | None
    ) = None
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=16,
            description="Ready says whether the resource works. Reconciling: the operator still works on it or waits "
            "for another object. Stalled: the spec must be changed; the message says how.",
        ),
        UniqueBy("type"),
    ] = []
    inputs_digest: (
        Annotated[
            str,
            Field(
                max_length=128,
                description="Digest of the inputs of the last successful Pulumi run. An equal digest needs no run.",
            ),
        ]
        | None
    ) = None
    last_update: Annotated[LastUpdate, Field(description="The last successful Pulumi run.")] | None = None
    history: Annotated[
        list[LastUpdate],
        Field(max_length=10, description="The last 10 successful Pulumi runs, newest first."),
    ] = []


class Metadata(StatusModel):
    """The parts of metav1.ObjectMeta that the operator reads."""

    name: str
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: list[str] = []
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class CustomResource(StatusModel):
    """A custom resource as the API server holds it.

    name_rules: rules on the kind itself, for a schema cannot bind metadata. In Python they get the name.
    """

    name_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name.size() <= 63",
            "metadata.name must have at most 63 characters, because it is used as a label value",
            lambda name: len(name) <= 63,
        ),
    )

    metadata: Metadata
    if TYPE_CHECKING:  # each kind has fields of its own in them
        spec: Spec
        status: CommonStatus

    @model_validator(mode="after")
    def _name_is_valid(self) -> Self:
        for rule in self.name_rules:
            rule.check(self.metadata.name)
        # The API server has this rule for all kinds.
        if re.fullmatch(DNS_SUBDOMAIN, self.metadata.name) is None:
            raise ValueError("metadata.name must be a lowercase RFC 1123 subdomain")
        return self
