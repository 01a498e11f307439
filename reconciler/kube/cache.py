"""The cache: the watched custom resources and their children. Reads are instant."""

from collections.abc import Iterable

from crds.resources import API_VERSION, CHILD_RESOURCES, Resource
from reconciler.kube.objects import Key, Object, Store, annotations, belongs_to
from stacks.metadata import RETAINED_BY_ANNOTATION, Child, Owner


class Cache:
    """The stores that all kinds share. The watches fill them; all others only read.

    kinds: the Resource of each kind, by kind. resources: the custom resources, by kind.
    children: the managed objects, by (apiVersion, kind).
    """

    def __init__(self, kinds: Iterable[Resource]) -> None:
        self.kinds = {resource.kind: resource for resource in kinds}
        self.resources: dict[str, Store] = {kind: {} for kind in self.kinds}
        self.children: dict[tuple[str, str], Store] = {kind: {} for kind in CHILD_RESOURCES}
        # Annotations name kinds in lower case.
        self._by_lower_case = {kind.lower(): kind for kind in self.kinds}

    def resource(self, key: Key) -> Object | None:
        """The custom resource with that key, if it exists."""
        return self.resources[key.kind].get((key.namespace, key.name))

    def child(self, child: Child) -> Object | None:
        """The managed object with that name, if it exists."""
        return self.children[(child.api_version, child.kind)].get((child.namespace, child.name))

    def owned(self, owner: Owner, child: Child) -> Object | None:
        """The managed object with that name, if it exists and belongs to the owner."""
        obj = self.child(child)
        return obj if obj is not None and belongs_to(obj, owner, child) else None

    def is_alive(self, uid: str) -> bool:
        """Whether a custom resource with that uid exists."""
        return any(
            obj["metadata"]["uid"] == uid for store in self.resources.values() for obj in store.values()
        )

    def owner_key(self, obj: Object) -> Key | None:
        """The custom resource that owns a child, by the child's own ownerReferences and annotations; None if none."""
        meta = obj["metadata"]
        for reference in meta.get("ownerReferences") or []:
            if reference["apiVersion"] == API_VERSION and reference["kind"] in self.kinds:
                namespaced = self.kinds[reference["kind"]].namespaced
                return Key(
                    reference["kind"], meta.get("namespace", "") if namespaced else "", reference["name"]
                )
        retained_by = annotations(obj).get(RETAINED_BY_ANNOTATION)
        if retained_by and retained_by.count(".") >= 2:
            kind, namespace, name = retained_by.split(".", 2)
            if kind in self._by_lower_case:
                return Key(self._by_lower_case[kind], namespace, name)
        return None
