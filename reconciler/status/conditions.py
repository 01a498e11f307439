"""What the cluster shows of a resource, whether a run brought it about or not. Pure values.

A kind's `readiness` and `shows` (reconciler/controller/kind.py) are asked in every pass; what they give stands in the
status, and a condition that changed becomes an Event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reconciler.status import reasons


@dataclass(frozen=True)
class ConditionState:
    """What a condition says.

    type: such as Ready. reason: a CamelCase word, see reconciler/status/reasons.py. message: for people.
    warns: its Event is a Warning. since: RFC 3339 time since when the cluster shows it; empty where it does not tell.
    """

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    warns: bool = False
    since: str = ""


@dataclass(frozen=True)
class Readiness:
    """Whether a resource does what it is for. condition: of type Ready. phase: one word for people."""

    condition: ConditionState
    phase: str


def ready(reason: str, message: str, phase: str = "Ready") -> Readiness:
    """The readiness of a resource that does what it is for."""
    return Readiness(ConditionState("Ready", "True", reason, message), phase)


def not_ready(reason: str, message: str, phase: str, since: str = "") -> Readiness:
    """The readiness of a resource that does not, or not yet. Its Event is a Warning in phase Failing alone."""
    return Readiness(
        ConditionState("Ready", "False", reason, message, warns=phase == "Failing", since=since), phase
    )


APPLIED = ready(reasons.APPLIED, "All children are in place.")


@dataclass(frozen=True)
class Stated:
    """What a condition of a kind's own says. warns: its Event is a Warning."""

    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    warns: bool = False


@dataclass(frozen=True)
class Shown:
    """fields: status fields, camelCase. conditions: by type. None takes one away; what is not named stays."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Stated | None] = field(default_factory=dict)
