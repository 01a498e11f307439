"""What a pass says of a resource: conditions, readiness, status fields. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from reconciler.status import reasons

READY = "Ready"


@dataclass(frozen=True)
class ConditionState:
    """A condition as it is to be.

    warns: its Event is a Warning.
    since: when the cluster first showed what the message says, an RFC 3339 time; empty where it does not tell.
    """

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    warns: bool = False
    since: str = ""


@dataclass(frozen=True)
class Readiness:
    """What the cluster shows of a resource: the condition Ready, and one word for people (status.phase)."""

    condition: ConditionState
    phase: str


def ready(reason: str, message: str, phase: str = "Ready") -> Readiness:
    """The readiness of what is as it should be."""
    return Readiness(ConditionState(READY, "True", reason, message), phase)


def not_ready(reason: str, message: str, phase: str, since: str = "") -> Readiness:
    """The readiness of what is not there yet. What fails is told of by a Warning."""
    return Readiness(ConditionState(READY, "False", reason, message, phase == "Failing", since), phase)


APPLIED = ready(reasons.APPLIED, "All children are in place.")


@dataclass(frozen=True)
class StatusPatch:
    """The part of a status that a kind adds to what all kinds have.

    fields: status fields, camelCase; None removes one.
    conditions: by type; None removes one. What is not named stays as it is.
    until: when this changes though nothing else does; None if never.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, ConditionState | None] = field(default_factory=dict)
    until: datetime | None = None
