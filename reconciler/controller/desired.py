"""What a pass is about: a resource, and what its spec asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from reconciler.controller.digest import inputs_digest
from reconciler.controller.kind import KINDS, Kind, Model
from reconciler.controller.workqueue import Key
from reconciler.engine.outcome import Outcome
from reconciler.kinds.devserver.inputs import parsed
from reconciler.kube.cache import Cache
from reconciler.kube.client import Object
from reconciler.settings import Settings
from reconciler.state.store import StackId
from reconciler.status.errors import ReconcileError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Desired:
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
class Result:
    """How an action went: what went wrong, what the engine did, status fields that only acting tells."""

    error: ReconcileError | None = None
    outcome: Outcome | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def desired_of(cache: Cache, settings: Settings, cluster_id: str, key: Key, now: datetime) -> Desired | None:
    """The resource and the inputs of its program; None if there is no such resource."""
    kind = KINDS[key.kind]
    resource = cache.resource(key)
    if resource is None:
        return None
    id = StackId(key, resource["metadata"]["uid"])
    model = _or_error(lambda: parsed(kind.model, resource))
    inputs = _or_error(lambda: kind.gather(cache, key, resource, settings, cluster_id, now))
    if isinstance(inputs, ReconcileError):
        return Desired(key, kind, resource, id, model, inputs, None, inputs)
    digest = inputs_digest(inputs)
    return Desired(key, kind, resource, id, model, inputs, kind.objection(inputs), digest)


def _or_error(make: Callable[[], _T]) -> _T | ReconcileError:
    try:
        return make()
    except ReconcileError as error:
        return error
