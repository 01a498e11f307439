"""What the cluster shows of a resource besides its readiness, whether a run brought it about or not. Pure values.

A kind's `shows` (reconciler/controller/kind.py) is asked in every pass; what it gives stands in the status, and a
condition that changed becomes an Event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


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
