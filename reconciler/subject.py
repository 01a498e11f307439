"""What a pass is about: a resource, and what its spec asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from reconciler.cluster import Object
from reconciler.digest import program_digest
from reconciler.engine import Outcome
from reconciler.errors import ReconcileError
from reconciler.gather import parsed
from reconciler.kinds import KINDS, Kind, Model
from reconciler.queue import Key
from reconciler.settings import Settings
from reconciler.state import StackId
from reconciler.world import World

_T = TypeVar("_T")


@dataclass(frozen=True)
class Subject:
    """What a pass is about. model and inputs are errors where the spec gives none.

    objection: what of the spec the inputs leave out.
    """

    key: Key
    kind: Kind
    resource: Object
    id: StackId
    model: Model | ReconcileError
    inputs: Any | ReconcileError
    objection: ReconcileError | None
    digest: str | ReconcileError


@dataclass(frozen=True)
class Done:
    """How an action went: what went wrong, what the engine did, status fields that only acting tells."""

    error: ReconcileError | None = None
    outcome: Outcome | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def subject_of(world: World, settings: Settings, cluster_id: str, key: Key, now: datetime) -> Subject | None:
    """The resource and the inputs of its program; None if there is no such resource."""
    kind = KINDS[key.kind]
    resource = world.resource(key)
    if resource is None:
        return None
    id = StackId(key, resource["metadata"]["uid"])
    model = _or_error(lambda: parsed(kind.model, resource))
    inputs = _or_error(lambda: kind.gather(world, key, resource, settings, cluster_id, now))
    if isinstance(inputs, ReconcileError):
        return Subject(key, kind, resource, id, model, inputs, None, inputs)
    digest = program_digest(kind.declared(inputs))
    return Subject(key, kind, resource, id, model, inputs, kind.objection(inputs), digest)


def _or_error(make: Callable[[], _T]) -> _T | ReconcileError:
    try:
        return make()
    except ReconcileError as error:
        return error
