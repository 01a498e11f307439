"""What all kinds are built from: the bases of models, and what every spec and status has."""

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from crds.fields import DNS_SUBDOMAIN
from crds.rules import Rule, UniqueBy


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
