"""Whose is an object that has a child's name? Asked before every run, for the engine itself goes by names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from crds.resources import CHILD_RESOURCES
from reconciler import reasons
from reconciler.cluster import Cluster, Object
from reconciler.errors import ReconcileError, Stalled, Waiting
from reconciler.world import World, annotations, belongs_to, is_managed, labels, owner_key
from stacks.metadata import OWNER_HASH_LABEL, RETAINED_BY_ANNOTATION, UID_LABEL, Child, Owner, owner_hash


class Claim(Enum):
    """How an object of a child's name relates to the stack."""

    FREE = auto()  # there is none
    OURS = auto()  # it is this stack's
    LEFT_OVER = auto()  # it is of a resource that does not exist any more: to be adopted
    FOREIGN = auto()  # someone else's: hands off


def judge(obj: Object | None, owner: Owner, child: Child, person: str, world: World) -> Claim:
    """The claim of the stack of `owner` on the object. person: whose data its retained children hold."""
    if obj is None:
        return Claim.FREE
    if not is_managed(obj):
        return Claim.FOREIGN
    if child.retained:
        same_person = labels(obj).get(OWNER_HASH_LABEL) == owner_hash(person)
        return Claim.OURS if same_person and belongs_to(obj, owner, child) else Claim.FOREIGN
    uid = labels(obj).get(UID_LABEL)
    if uid == owner.uid:
        return Claim.OURS
    if uid is None or RETAINED_BY_ANNOTATION in annotations(obj) or world.is_alive(uid):
        return Claim.FOREIGN
    return Claim.LEFT_OVER


def adopted(claimed: Mapping[Child, Claim], recorded: frozenset[Child]) -> list[Child]:
    """The children that exist and that the state does not hold as this stack's own."""
    return [
        child
        for child, claim in claimed.items()
        if claim is Claim.LEFT_OVER or (claim is Claim.OURS and child not in recorded)
    ]


async def live(cluster: Cluster, child: Child) -> Object | None:
    """The object of a child's name as it is now."""
    return await cluster.get(CHILD_RESOURCES[(child.api_version, child.kind)], child.namespace, child.name)


@dataclass(frozen=True)
class Looks:
    """Looks at objects as they are now, at each once: for one pass, no longer."""

    cluster: Cluster
    _found: dict[Child, Object | None] = field(default_factory=dict)

    async def __call__(self, child: Child) -> Object | None:
        """The object of the child's name."""
        if child not in self._found:
            self._found[child] = await live(self.cluster, child)
        return self._found[child]


def refuse_terminating(child: Child, obj: Object | None) -> None:
    """Raise Waiting if the namespace is on its way out, whosever: the engine would wait for it in vain, and long."""
    if obj is not None and "deletionTimestamp" in obj["metadata"]:
        message = f"{child.kind} {child.name} is being deleted; waiting until it is gone."
        raise Waiting(reasons.NAMESPACE_TERMINATING, message)


def conflict(child: Child, obj: Object | None) -> ReconcileError:
    """The error for a child whose name a foreign object has. obj: that object."""
    where = f"{child.kind} {f'{child.namespace}/' if child.namespace else ''}{child.name}"
    if child.retained:
        keeper = owner_key(obj) if obj is not None and RETAINED_BY_ANNOTATION in annotations(obj) else None
        kept = f" (kept for {keeper})" if keeper is not None else ""
        message = f"{where} exists and holds the data of someone else{kept}; it is left untouched."
    else:
        message = f"{where} exists and was not made for this resource; it is left untouched."
    return Stalled(reasons.NAME_CONFLICT, f"{message} Remove it or choose another name.")
