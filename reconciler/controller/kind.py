"""What the loop asks of a kind. Each kind is a class in reconciler/kinds; docs/new-kind.md shows how to add one."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from crds.base import CustomResource
from crds.resources import Resource
from reconciler.kube.cache import Cache
from reconciler.kube.client import Client
from reconciler.kube.objects import Key, Object
from reconciler.kube.recorder import Recorder
from reconciler.kube.watch import WatchSpec
from reconciler.settings import Settings
from reconciler.status.conditions import APPLIED, Readiness, StatusPatch
from reconciler.status.errors import StalledError
from stacks.declarations import Program
from stacks.metadata import Child, Owner

ModelT = TypeVar("ModelT", bound=CustomResource)
InputsT = TypeVar("InputsT")

# Follows a collection until cancelled. It calls the function once, when the first list has arrived.
Follow = Callable[[WatchSpec, Callable[[], None]], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to run. fields: status fields that only prepare() knows."""

    program: Program
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lookup:
    """What a program may look up that no watch provides.

    live: reads the object with a child's name from the API server, never from the cache.
    recorded_secret: the data of a Secret in the stack's checkpoint, by file name; None if the checkpoint has none.
    """

    live: Callable[[Child], Awaitable[Object | None]]
    recorded_secret: Callable[[Child], Awaitable[Mapping[str, str] | None]]


class Kind(ABC, Generic[ModelT, InputsT]):
    """A custom resource and its stack. It reads the cache, which the watches fill.

    resource: the kind at the API server. model: the class that its objects are parsed into.
    child_resources: kinds of children that carry the resource's uid, in the order in which a sweep deletes them.
    tolerated_drift: fields that others may change, as (kind of the child, path): no drift.
    cluster_id: the uid of the namespace kube-system.
    """

    resource: ClassVar[Resource]
    model: type[ModelT]
    child_resources: ClassVar[tuple[Resource, ...]] = ()
    tolerated_drift: ClassVar[frozenset[tuple[str, str]]] = frozenset()

    def __init__(self, cache: Cache, settings: Settings, cluster_id: str) -> None:
        self.cache = cache
        self.settings = settings
        self.cluster_id = cluster_id

    # --- the program

    @abstractmethod
    def inputs(self, resource: Object, model: ModelT, now: datetime) -> InputsT:
        """The inputs of the program, from the cache alone. Raises WaitingError or StalledError if it has none."""

    @abstractmethod
    def program(self, inputs: InputsT) -> Program:
        """The program, as far as the inputs alone determine it. The digest is computed from this."""

    async def prepare(self, inputs: InputsT, lookup: Lookup) -> Prepared:
        """The program, ready to run. It is made from the inputs and from what `lookup` finds."""
        return Prepared(self.program(inputs))

    def earlier_digest(self, inputs: InputsT) -> str | None:
        """The digest of these inputs by an earlier rule; None if no earlier rule applies."""
        return None

    def rejected_fields(self, inputs: InputsT) -> StalledError | None:
        """An error that names the rejected fields of the spec, for the user to correct. The rest is applied."""
        return None

    def data_owner(self, model: ModelT) -> str:
        """The person whose data the retained children hold; empty if there are no such children."""
        return ""

    def retains(self, model: ModelT) -> bool:
        """Whether the present spec keeps the retained children when the resource is deleted."""
        return True

    # --- time

    def expires_at(self, model: ModelT, now: datetime) -> datetime | None:
        """When the resource expires; None if never."""
        return None

    def expiry_note(self, model: ModelT) -> str:
        """Whole sentences that the Event about the expiry adds."""
        return ""

    # --- the status

    def fields(self, inputs: InputsT) -> Mapping[str, Any]:
        """Status fields that follow from the inputs, camelCase."""
        return {}

    def readiness(self, owner: Owner) -> Readiness:
        """The readiness of a resource whose stack was applied, from the cache."""
        return APPLIED

    def conditions(
        self, resource: Object, model: ModelT | None, ends: datetime | None, now: datetime
    ) -> StatusPatch:
        """Status fields and conditions of this kind, from the cache. Called in every pass.

        model: None if the spec does not fit the model. ends: when the resource expires.
        """
        return StatusPatch()

    # --- work beside engine runs

    async def tend(self, resource: Object, model: ModelT, client: Client, recorder: Recorder) -> None:
        """Do what the resource needs besides engine runs. Called in every pass, unless it is being deleted."""

    def watches(self) -> Iterable[WatchSpec]:
        """Watches for this kind alone. (The loop always watches the resources and their children.)"""
        return ()

    async def follow(self, follow: Follow) -> None:
        """Follow collections that the API server does not always serve, until cancelled."""

    async def run(self, enqueue: Callable[[Key], None]) -> None:
        """The leader's work outside of passes, until cancelled. enqueue: makes a key due for a pass."""
