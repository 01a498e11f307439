"""Values for the parts of a status: conditions, readiness, status fields. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from reconciler.status import reasons

READY = "Ready"


@dataclass(frozen=True)
class ConditionState:
    """What a condition should say.

    warns: whether its Event is a Warning.
    since: an RFC 3339 time, since when the message is true according to the cluster; empty if the cluster has none.
    """

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    warns: bool = False
    since: str = ""


@dataclass(frozen=True)
class Readiness:
    """Whether a resource works, according to the cluster. phase: one word for people (status.phase)."""

    condition: ConditionState
    phase: str


def ready(reason: str, message: str, phase: str = "Ready") -> Readiness:
    """The readiness of a resource that works."""
    return Readiness(ConditionState(READY, "True", reason, message), phase)


def not_ready(reason: str, message: str, phase: str, since: str = "") -> Readiness:
    """The readiness of a resource that does not work (yet). With phase Failing the Event is a Warning."""
    return Readiness(ConditionState(READY, "False", reason, message, phase == "Failing", since), phase)


APPLIED = ready(reasons.APPLIED, "All children are in place.")


@dataclass(frozen=True)
class StatusPatch:
    """The part of a status that a kind adds to the common part.

    fields: status fields, camelCase; None removes one.
    conditions: by type; None removes one. Conditions of other types stay.
    until: when this patch changes by time alone; None if never.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, ConditionState | None] = field(default_factory=dict)
    until: datetime | None = None
