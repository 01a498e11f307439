"""Who owns the object with a child's name? Checked before every run, because the engine looks at names alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from crds.resources import CHILD_RESOURCES
from reconciler.kube.cache import Cache
from reconciler.kube.client import Client
from reconciler.kube.objects import Object, annotations, belongs_to, is_deleting, is_managed, labels
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError, StalledError, WaitingError
from stacks.metadata import OWNER_HASH_LABEL, RETAINED_BY_ANNOTATION, UID_LABEL, Child, Owner, owner_hash


class Ownership(Enum):
    """How the object with a child's name relates to the stack."""

    FREE = auto()  # no object has the name
    OURS = auto()  # the object belongs to this stack
    ORPHANED = auto()  # its resource does not exist any more; the stack adopts the object
    FOREIGN = auto()  # the object belongs to someone else; it is left untouched


def ownership_of(obj: Object | None, owner: Owner, child: Child, data_owner: str, cache: Cache) -> Ownership:
    """How the object relates to the stack of `owner`. data_owner: the person whose data the retained children hold."""
    if obj is None:
        return Ownership.FREE
    if not is_managed(obj):
        return Ownership.FOREIGN
    if child.retained:
        is_data_owners = labels(obj).get(OWNER_HASH_LABEL) == owner_hash(data_owner)
        return Ownership.OURS if is_data_owners and belongs_to(obj, owner, child) else Ownership.FOREIGN
    uid = labels(obj).get(UID_LABEL)
    if uid == owner.uid:
        return Ownership.OURS
    if uid is None or RETAINED_BY_ANNOTATION in annotations(obj) or cache.is_alive(uid):
        return Ownership.FOREIGN
    return Ownership.ORPHANED


def adopted(owned: Mapping[Child, Ownership], recorded: frozenset[Child]) -> list[Child]:
    """The children that exist, but that the state does not record as this stack's."""
    return [
        child
        for child, ownership in owned.items()
        if ownership is Ownership.ORPHANED or (ownership is Ownership.OURS and child not in recorded)
    ]


async def live(client: Client, child: Child) -> Object | None:
    """The object with a child's name, read from the API server now."""
    return await client.get(CHILD_RESOURCES[(child.api_version, child.kind)], child.namespace, child.name)


@dataclass(frozen=True)
class LiveObjects:
    """Reads children from the API server, each at most once. Use one instance per pass."""

    client: Client
    _found: dict[Child, Object | None] = field(default_factory=dict)

    async def __call__(self, child: Child) -> Object | None:
        """The object with the child's name."""
        if child not in self._found:
            self._found[child] = await live(self.client, child)
        return self._found[child]


def refuse_terminating(child: Child, obj: Object | None) -> None:
    """Raise WaitingError if the namespace is being deleted, whoever owns it. The engine would wait for it in vain."""
    if obj is not None and is_deleting(obj):
        message = f"{child.kind} {child.name} is being deleted; waiting until it is gone."
        raise WaitingError(reasons.NAMESPACE_TERMINATING, message)


def conflict(child: Child, obj: Object | None, cache: Cache) -> ReconcileError:
    """The error for a child if a foreign object has its name. obj: that object."""
    where = f"{child.kind} {f'{child.namespace}/' if child.namespace else ''}{child.name}"
    if child.retained:
        keeper = (
            cache.owner_key(obj) if obj is not None and RETAINED_BY_ANNOTATION in annotations(obj) else None
        )
        kept = f" (kept for {keeper})" if keeper is not None else ""
        message = f"{where} exists and holds the data of someone else{kept}; it is left untouched."
    else:
        message = f"{where} exists and was not made for this resource; it is left untouched."
    return StalledError(reasons.NAME_CONFLICT, f"{message} Remove it or choose another name.")
