"""An API server in a dict: enough of one for requests about single objects and their preconditions."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from crds.resources import CHILD_RESOURCES, Resource
from reconciler.kinds.registry import KINDS, resources_of
from reconciler.kube.client import MERGE_PATCH, ApiError

Object = dict[str, Any]
_RESOURCES = {resource.kind: resource for resource in (*resources_of(KINDS), *CHILD_RESOURCES.values())}


@dataclass
class FakeClient:
    """Objects by kind, namespace and name. requests: what was asked, as `VERB KIND NAME`."""

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    clock_offset_s: float = 0.0
    _version: int = 100

    def put(self, *objects: Object) -> None:
        """Have these objects, as they are."""
        for obj in objects:
            meta = obj["metadata"]
            self.objects[obj["kind"], meta.get("namespace", ""), meta["name"]] = obj

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, without a request."""
        return self.objects.get((resource.kind, namespace, name))

    def writes(self) -> list[str]:
        """The requests that changed something, or tried to."""
        return [request for request in self.requests if not request.startswith(("GET", "LIST"))]

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        self.note("GET", resource, name)
        return deepcopy(self.find(resource, namespace, name))

    async def list_all(
        self, resource: Resource, namespace: str = "", selector: str = ""
    ) -> tuple[list[Object], str]:
        self.note("LIST", resource, selector)
        label, _, value = selector.partition("=")
        found = [
            deepcopy(obj)
            for (kind, where, _), obj in self.objects.items()
            if kind == resource.kind
            and (not namespace or where == namespace)
            and (not selector or (obj["metadata"].get("labels") or {}).get(label) == value)
        ]
        return found, str(self._version)

    async def create(self, resource: Resource, body: Object) -> Object:
        meta = body["metadata"]
        self.note("CREATE", resource, meta["name"])
        if self.find(resource, meta.get("namespace", ""), meta["name"]) is not None:
            raise ApiError(409, "AlreadyExists", f"{meta['name']} already exists")
        made = {"uid": f"uid-of-{meta['name']}", "creationTimestamp": "2030-01-01T08:00:00Z"}
        return self._store(resource, made, body)

    async def replace(self, resource: Resource, body: Object) -> Object:
        meta = body["metadata"]
        self.note("REPLACE", resource, meta["name"])
        present = self._present(resource, meta.get("namespace", ""), meta["name"])
        _demand(present, meta.get("uid"), meta.get("resourceVersion"))
        return self._store(resource, {"uid": present["metadata"]["uid"]}, body)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Object:
        """A merge patch of metadata; other patches are noted and change nothing."""
        self.note("PATCH", resource, name)
        present = self._present(resource, namespace, name)
        if content_type != MERGE_PATCH:
            return deepcopy(present)
        _demand(present, body["metadata"].get("uid"), body["metadata"].get("resourceVersion"))
        annotations = (present["metadata"].get("annotations") or {}) | body["metadata"].get("annotations", {})
        merged = (
            present["metadata"] | body["metadata"] | ({"annotations": annotations} if annotations else {})
        )
        changed = {**present, "metadata": merged}
        return self._store(resource, {}, changed)

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, resource_version: str = ""
    ) -> bool:
        self.note("DELETE", resource, name)
        try:
            present = self._present(resource, namespace, name)
            _demand(present, uid, resource_version)
        except ApiError:
            return False
        del self.objects[resource.kind, namespace, name]
        return True

    def note(self, verb: str, resource: Resource, name: str) -> None:
        assert resource == _RESOURCES.get(resource.kind, resource)
        self.requests.append(f"{verb} {resource.kind} {name}")

    def _present(self, resource: Resource, namespace: str, name: str) -> Object:
        present = self.find(resource, namespace, name)
        if present is None:
            raise ApiError(404, "NotFound", f"{name} not found")
        return present

    def _store(self, resource: Resource, metadata: Object, body: Object) -> Object:
        self._version += 1
        stored = deepcopy(body) | {"kind": resource.kind}
        stored["metadata"] |= metadata | {"resourceVersion": str(self._version)}
        self.put(stored)
        return deepcopy(stored)


def _demand(present: Object, uid: str | None, version: str | None) -> None:
    meta = present["metadata"]
    if (uid and uid != meta["uid"]) or (version and version != meta["resourceVersion"]):
        raise ApiError(409, "Conflict", f"{meta['name']} was changed")
