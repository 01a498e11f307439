"""Whose is an object that has a child's name? Asked before every run, for the engine itself goes by names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from crds.resources import CHILD_RESOURCES
from reconciler.kube.cache import Cache, annotations, belongs_to, is_managed, labels, owner_key
from reconciler.kube.client import Client, Object
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError, StalledError, WaitingError
from stacks.metadata import OWNER_HASH_LABEL, RETAINED_BY_ANNOTATION, UID_LABEL, Child, Owner, owner_hash


class Ownership(Enum):
    """How an object of a child's name relates to the stack."""

    FREE = auto()  # there is none
    OURS = auto()  # it is this stack's
    ORPHANED = auto()  # it is of a resource that does not exist any more: to be adopted
    FOREIGN = auto()  # someone else's: hands off


def ownership_of(obj: Object | None, owner: Owner, child: Child, person: str, cache: Cache) -> Ownership:
    """The claim of the stack of `owner` on the object. person: whose data its retained children hold."""
    if obj is None:
        return Ownership.FREE
    if not is_managed(obj):
        return Ownership.FOREIGN
    if child.retained:
        same_person = labels(obj).get(OWNER_HASH_LABEL) == owner_hash(person)
        return Ownership.OURS if same_person and belongs_to(obj, owner, child) else Ownership.FOREIGN
    uid = labels(obj).get(UID_LABEL)
    if uid == owner.uid:
        return Ownership.OURS
    if uid is None or RETAINED_BY_ANNOTATION in annotations(obj) or cache.is_alive(uid):
        return Ownership.FOREIGN
    return Ownership.ORPHANED


def adopted(claimed: Mapping[Child, Ownership], recorded: frozenset[Child]) -> list[Child]:
    """The children that exist and that the state does not hold as this stack's own."""
    return [
        child
        for child, claim in claimed.items()
        if claim is Ownership.ORPHANED or (claim is Ownership.OURS and child not in recorded)
    ]


async def live(client: Client, child: Child) -> Object | None:
    """The object of a child's name as it is now."""
    return await client.get(CHILD_RESOURCES[(child.api_version, child.kind)], child.namespace, child.name)


@dataclass(frozen=True)
class Looks:
    """Looks at objects as they are now, at each once: for one pass, no longer."""

    client: Client
    _found: dict[Child, Object | None] = field(default_factory=dict)

    async def __call__(self, child: Child) -> Object | None:
        """The object of the child's name."""
        if child not in self._found:
            self._found[child] = await live(self.client, child)
        return self._found[child]


def refuse_terminating(child: Child, obj: Object | None) -> None:
    """Raise WaitingError if the namespace is being deleted, whosever it is: the engine would wait for it in vain."""
    if obj is not None and "deletionTimestamp" in obj["metadata"]:
        message = f"{child.kind} {child.name} is being deleted; waiting until it is gone."
        raise WaitingError(reasons.NAMESPACE_TERMINATING, message)


def conflict(child: Child, obj: Object | None) -> ReconcileError:
    """The error for a child whose name a foreign object has. obj: that object."""
    where = f"{child.kind} {f'{child.namespace}/' if child.namespace else ''}{child.name}"
    if child.retained:
        keeper = owner_key(obj) if obj is not None and RETAINED_BY_ANNOTATION in annotations(obj) else None
        kept = f" (kept for {keeper})" if keeper is not None else ""
        message = f"{where} exists and holds the data of someone else{kept}; it is left untouched."
    else:
        message = f"{where} exists and was not made for this resource; it is left untouched."
    return StalledError(reasons.NAME_CONFLICT, f"{message} Remove it or choose another name.")
