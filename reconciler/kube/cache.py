"""What the watches have seen: the custom resources, their children, pods and states. Reads are instant."""

from dataclasses import dataclass, field

from crds import API_VERSION
from reconciler.controller.workqueue import Key
from reconciler.kinds.devserver.pod.events import PodEvents
from reconciler.kinds.devserver.pod.refusals import Refusal
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.scheduling.fit import Fit
from reconciler.kube.client import Object
from reconciler.state.index import StateRecord
from stacks.metadata import (
    MANAGED_BY_LABEL,
    MANAGER,
    NAME_LABEL,
    RETAINED_BY_ANNOTATION,
    UID_LABEL,
    Child,
    Owner,
)

# Of ours on a custom resource: a stack of its was begun, and is to be destroyed before it goes.
FINALIZER = "devserver.io/stack"
Store = dict[tuple[str, str], Object]
# As an annotation names them.
_KINDS = {kind.lower(): kind for kind in ("DevServer", "DevServerFlavor", "DevServerUser")}


@dataclass(frozen=True)
class FlavorSummary:
    """How it stands with a flavor. devservers: how many use it. pending_restarts: those that wait for a restart."""

    verdict: Fit
    devservers: int = 0
    pending_restarts: int = 0


@dataclass
class Cache:
    """Stores by (namespace, name). The watches fill them; everyone else only reads.

    resources: custom resources by kind. children: managed objects by (apiVersion, kind).
    storage_classes: StorageClasses by ("", name).
    refusals: pods that were refused to their StatefulSets, which are named. pod_events: what Events tell of others.
    states: what is known of the stacks' states, by key and uid: of this life and of earlier ones of the name.
    capacity: nodes, pods and what else decides where there is room. flavor_views: what comes of it, by flavor.
    """

    resources: dict[str, Store] = field(default_factory=dict)
    children: dict[tuple[str, str], Store] = field(default_factory=dict)
    pods: Store = field(default_factory=dict)
    storage_classes: Store = field(default_factory=dict)
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    pod_events: PodEvents = field(default_factory=PodEvents)
    states: dict[Key, dict[str, StateRecord]] = field(default_factory=dict)
    capacity: Capacity = field(default_factory=Capacity)
    flavor_views: dict[str, FlavorSummary] = field(default_factory=dict)

    def resource(self, key: Key) -> Object | None:
        """The custom resource of that name."""
        return self.resources[key.kind].get((key.namespace, key.name))

    def child(self, child: Child) -> Object | None:
        """The managed object of that name."""
        return self.children[(child.api_version, child.kind)].get((child.namespace, child.name))

    def storage_class(self, claim: Object | None) -> Object | None:
        """The StorageClass of a PersistentVolumeClaim; None if it has none, or one that is gone."""
        name = claim["spec"].get("storageClassName") if claim is not None else None
        return self.storage_classes.get(("", name)) if name else None

    def is_alive(self, uid: str) -> bool:
        """Whether a custom resource of that uid exists."""
        return any(
            obj["metadata"]["uid"] == uid for store in self.resources.values() for obj in store.values()
        )


def labels(obj: Object) -> dict[str, str]:
    """The object's labels."""
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found


def annotations(obj: Object) -> dict[str, str]:
    """The object's annotations."""
    found: dict[str, str] = obj["metadata"].get("annotations") or {}
    return found


def is_managed(obj: Object) -> bool:
    """Whether the object carries our managed-by label."""
    return labels(obj).get(MANAGED_BY_LABEL) == MANAGER


def belongs_to(obj: Object, owner: Owner, child: Child) -> bool:
    """Whether the object is the owner's child, in this life of the owner (for retained ones: in any life)."""
    if not is_managed(obj):
        return False
    if child.retained:
        return annotations(obj).get(RETAINED_BY_ANNOTATION) == owner.retained_by
    return labels(obj).get(UID_LABEL) == owner.uid


def owner_key(obj: Object) -> Key | None:
    """The custom resource that a child or pod belongs to, by what the object itself says."""
    meta = obj["metadata"]
    for reference in meta.get("ownerReferences") or []:
        if reference["apiVersion"] == API_VERSION and reference["kind"] in _KINDS.values():
            namespace = meta.get("namespace", "") if reference["kind"] == "DevServer" else ""
            return Key(reference["kind"], namespace, reference["name"])
    retained_by = annotations(obj).get(RETAINED_BY_ANNOTATION)
    if retained_by and retained_by.count(".") >= 2:
        kind, namespace, name = retained_by.split(".", 2)
        if kind in _KINDS:
            return Key(_KINDS[kind], namespace, name)
    if obj.get("kind", "Pod") == "Pod" and NAME_LABEL in labels(obj):
        return Key("DevServer", meta["namespace"], labels(obj)[NAME_LABEL])
    return None
