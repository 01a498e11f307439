"""Objects of the API server as plain dicts, and readers for their common fields. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from crds.times import parse_time
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, RETAINED_BY_ANNOTATION, UID_LABEL, Child, Owner

# An object in the API server's JSON form.
Object = dict[str, Any]
# Objects of one resource by (namespace, name); the namespace is empty for cluster-scoped ones.
Store = dict[tuple[str, str], Object]
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


@dataclass(frozen=True)
class WatchEvent:
    """One line of a watch. A BOOKMARK's object holds a resourceVersion only."""

    type: EventType
    object: Object


class Key(NamedTuple):
    """Kind, namespace and name of a custom resource. The namespace is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


def key_of(resource: Object) -> Key:
    """The custom resource's key."""
    meta = resource["metadata"]
    return Key(resource["kind"], meta.get("namespace", ""), meta["name"])


def owner_of(resource: Object) -> Owner:
    """The custom resource as the owner of its stack."""
    return Owner(*key_of(resource), resource["metadata"]["uid"])


def labels(obj: Object) -> dict[str, str]:
    """The object's labels."""
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found


def annotations(obj: Object) -> dict[str, str]:
    """The object's annotations."""
    found: dict[str, str] = obj["metadata"].get("annotations") or {}
    return found


def is_deleting(obj: Object) -> bool:
    """Whether the object is being deleted."""
    return "deletionTimestamp" in obj["metadata"]


def wanted_of(resource: Object | None) -> object:
    """What users want of a resource: its spec, and whether it is being deleted. Compare two to detect a change."""
    return None if resource is None else (resource["spec"], is_deleting(resource))


def created_at(obj: Object) -> datetime:
    """When the API server created the object."""
    return parse_time(obj["metadata"]["creationTimestamp"])


def is_managed(obj: Object) -> bool:
    """Whether the object carries our managed-by label."""
    return labels(obj).get(MANAGED_BY_LABEL) == MANAGER


def belongs_to(obj: Object, owner: Owner, child: Child) -> bool:
    """Whether the object is the owner's child, by the owner's uid; for retained children, by the owner's name."""
    if not is_managed(obj):
        return False
    if child.retained:
        return annotations(obj).get(RETAINED_BY_ANNOTATION) == owner.retained_by
    return labels(obj).get(UID_LABEL) == owner.uid
