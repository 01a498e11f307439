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

# Follows a collection until cancelled; the function is called once when the first list is in.
Follow = Callable[[WatchSpec, Callable[[], None]], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to run. fields: status fields that only this step knows."""

    program: Program
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lookup:
    """What a program may need to know and no watch shows.

    live: the object of a child's name as it is now, never from the cache.
    recorded_secret: the data of a Secret as the stack's state holds it, by file name; None if it holds none.
    """

    live: Callable[[Child], Awaitable[Object | None]]
    recorded_secret: Callable[[Child], Awaitable[Mapping[str, str] | None]]


class Kind(ABC, Generic[ModelT, InputsT]):
    """A custom resource and its stack. Built over the cache, which the watches fill.

    resource, model: the kind as the API server serves it, and as it is parsed.
    child_resources: kinds of children that carry the resource's uid, in the order in which a sweep deletes them.
    cluster_id: the uid of the namespace kube-system.
    """

    resource: ClassVar[Resource]
    model: type[ModelT]
    child_resources: ClassVar[tuple[Resource, ...]] = ()

    def __init__(self, cache: Cache, settings: Settings, cluster_id: str) -> None:
        self.cache = cache
        self.settings = settings
        self.cluster_id = cluster_id

    # --- the program

    @abstractmethod
    def inputs(self, resource: Object, model: ModelT, now: datetime) -> InputsT:
        """The inputs of the program, from the cache alone. Raises WaitingError or StalledError if there are none."""

    @abstractmethod
    def program(self, inputs: InputsT) -> Program:
        """The program as far as the inputs alone tell it, for the digest."""

    async def prepare(self, inputs: InputsT, lookup: Lookup) -> Prepared:
        """The program from its inputs and from what needs a request, ready to run."""
        return Prepared(self.program(inputs))

    def earlier_digest(self, inputs: InputsT) -> str | None:
        """The digest by which an earlier version would have recorded what these inputs declare; None if none did."""
        return None

    def rejected_fields(self, inputs: InputsT) -> StalledError | None:
        """What of the spec the inputs leave out, for the user to correct. The rest is applied."""
        return None

    def data_owner(self, model: ModelT) -> str:
        """Whose data the retained children hold."""
        return ""

    def retains(self, model: ModelT) -> bool:
        """Whether the spec as it is now wants the retained children kept when the resource is deleted."""
        return True

    # --- time

    def expires_at(self, model: ModelT, now: datetime) -> datetime | None:
        """When the resource ends; None if never."""
        return None

    def expiry_note(self, model: ModelT) -> str:
        """What the Event of the end adds: whole sentences."""
        return ""

    # --- the status

    def fields(self, inputs: InputsT) -> Mapping[str, Any]:
        """Status fields that follow from the inputs, camelCase."""
        return {}

    def readiness(self, owner: Owner) -> Readiness:
        """What the cluster shows of a resource whose stack was applied."""
        return APPLIED

    def conditions(
        self, resource: Object, model: ModelT | None, ends: datetime | None, now: datetime
    ) -> StatusPatch:
        """Status fields and conditions of this kind from the cluster as it is; asked in every pass.

        model: None if the spec does not fit it. ends: when the resource expires.
        """
        return StatusPatch()

    # --- what no run does

    async def tend(self, resource: Object, model: ModelT, client: Client, recorder: Recorder) -> None:
        """Do what the resource needs besides engine runs; asked in every pass while it is not being deleted."""

    def watches(self) -> Iterable[WatchSpec]:
        """What is watched for this kind alone. (Its resources and their children are watched in any case.)"""
        return ()

    async def follow(self, follow: Follow) -> None:
        """Follow what is served only at times, until cancelled."""

    async def run(self, enqueue: Callable[[Key], None]) -> None:
        """Work of the leader that is no pass over a resource, until cancelled. enqueue: has a resource looked at."""
