"""The subject of a pass: a resource, and what its spec asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from crds.base import CustomResource
from reconciler.controller.digest import program_digest
from reconciler.controller.kind import Kind
from reconciler.kube.objects import Object, key_of
from reconciler.state.store import StackId
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError, StalledError
from reconciler.text import one_line, shortened

_T = TypeVar("_T")
_Model = TypeVar("_Model", bound=BaseModel)
_MAX_FAULTS = 1000


@dataclass(frozen=True)
class Goal:
    """The part of a spec that can be applied.

    inputs: the inputs of the kind's program.
    rejected: names the rejected fields, which the inputs leave out; None if there are none.
    digest: of what the program declares.
    """

    model: CustomResource
    inputs: Any
    rejected: StalledError | None
    digest: str


@dataclass(frozen=True)
class Desired:
    """A resource and what it asks for.

    model: the resource as its kind's model, or the error if it does not fit the model.
    goal: what the pass applies, or the error if nothing can be applied.
    """

    kind: Kind[Any, Any]
    resource: Object
    id: StackId
    model: CustomResource | ReconcileError
    goal: Goal | ReconcileError


def desired_of(kind: Kind[Any, Any], resource: Object, now: datetime) -> Desired:
    """What the resource asks for."""
    id = StackId(key_of(resource), resource["metadata"]["uid"])
    model: CustomResource | ReconcileError = _or_error(lambda: parsed(kind.model, resource))
    goal = (
        model if isinstance(model, ReconcileError) else _or_error(lambda: _goal(kind, resource, model, now))
    )
    return Desired(kind, resource, id, model, goal)


def parsed(model: type[_Model], resource: Object) -> _Model:
    """The resource as a model. Raises StalledError that names the fields that do not fit."""
    try:
        return model.model_validate(resource)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5]
        )
        # Users choose the keys of maps.
        raise StalledError(reasons.INVALID_SPEC, shortened(one_line(faults), _MAX_FAULTS)) from error


def _goal(kind: Kind[Any, Any], resource: Object, model: CustomResource, now: datetime) -> Goal:
    inputs = kind.inputs(resource, model, now)
    return Goal(model, inputs, kind.rejected_fields(inputs), program_digest(kind.program(inputs)))


def _or_error(make: Callable[[], _T]) -> _T | ReconcileError:
    try:
        return make()
    except ReconcileError as error:
        return error
