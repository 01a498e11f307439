"""Builders of objects: valid and minimal, changed by what the test says."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from crds import (
    API_VERSION,
    DevServer,
    DevServerFlavorSpec,
    DevServerUserSpec,
)
from crds.base import CustomResource
from reconciler.controller import metrics
from reconciler.controller.kind import Kind
from reconciler.kinds.devserver.kind import DevServerKind
from reconciler.kinds.flavor.kind import FlavorKind
from reconciler.kinds.registry import KINDS, resources_of
from reconciler.kinds.user.kind import UserKind
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Key
from reconciler.settings import Settings
from reconciler.state.run_claim import Epoch, Term
from reconciler.state.store import StackId
from stacks.devserver.program import DevServerInputs, HostKeys
from stacks.flavor import DevServerFlavorInputs
from stacks.metadata import (
    MANAGED_BY_LABEL,
    MANAGER,
    NAME_LABEL,
    OWNER_HASH_LABEL,
    RETAINED_BY_ANNOTATION,
    UID_LABEL,
    Child,
    Owner,
    owner_hash,
)
from stacks.user import DevServerUserInputs

Object = dict[str, Any]

MODELS: dict[str, type[CustomResource]] = {kind.resource.kind: kind.model for kind in KINDS}
NAMESPACED = {kind.resource.kind for kind in KINDS if kind.resource.namespaced}
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvhw4cGyrzpuXxMVxUCjV4rGAlTDIdNzgJ3mhqEkcUh"
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEgLT/PPeKgAjQl7G24a"
    "7bhkVqolWsIYfllsnKXSCeNsS784A++agpe5gx+ACHaTERA6k6gMfl5wizLS8BXJR48="
)
CREATED = "2030-01-01T08:00:00Z"
# The term in which a lone reconciler works.
TERM = Term("reconciler-1", Epoch(CREATED, 7))
_SPECS: dict[str, Object] = {
    "DevServer": {"owner": "ada@example.com", "image": "debian:bookworm", "ssh": {"publicKey": ED25519}},
    "DevServerFlavor": {},
    "DevServerUser": {"username": "ada"},
}


def manifest(kind: str, name: str = "box", namespace: str = "dev-ada", **spec: Any) -> Object:
    """A custom resource as a user writes it; `spec` replaces whole fields."""
    metadata = {"name": name} | ({"namespace": namespace} if kind in NAMESPACED else {})
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": deepcopy(_SPECS[kind]) | deepcopy(spec),
    }


def resource(kind: str, name: str = "box", status: Object | None = None, **spec: Any) -> Object:
    """A custom resource as the API server holds it: uid `uid-NAME`, created at CREATED."""
    made = manifest(kind, name, **spec)
    made["metadata"] |= {
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": CREATED,
    }
    return made | ({"status": status} if status is not None else {})


def devserver(name: str = "box", status: Object | None = None, **spec: Any) -> DevServer:
    return DevServer.model_validate(resource("DevServer", name, status, **spec))


def owner(kind: str = "DevServer", name: str = "box") -> Owner:
    return Owner(kind, "dev-ada" if kind in NAMESPACED else "", name, f"uid-{name}")


HOST_KEYS = HostKeys(
    public=(ED25519, ECDSA),
    private={"ssh_host_ed25519_key": "PRIVATE 1", "ssh_host_ecdsa_key": "PRIVATE 2"},
)


def devserver_inputs(*, flavor: Object | None = None, **changes: Any) -> DevServerInputs:
    """Inputs of a minimal DevServer. flavor: fields of the flavor's spec; spec: fields of the DevServer's."""
    spec = devserver(**changes.pop("spec", {})).spec
    defaults: dict[str, Any] = {
        "owner": owner(),
        "spec": spec,
        "flavor_name": "cpu-small",
        "flavor": DevServerFlavorSpec.model_validate(flavor or {}),
        "authorized_keys": (ED25519,),
        "time_to_live": None,
        "expires_at": None,
        "warn_minutes": (),
        "home_size": spec.home.size if spec.home else None,
        "tools_image": "local/devserver-tools:1",
        "ssh_service_type": "ClusterIP",
        "cluster_id": "cluster-uid",
    }
    return DevServerInputs(**(defaults | changes))


def flavor_inputs(name: str = "cpu-small", **spec: Any) -> DevServerFlavorInputs:
    return DevServerFlavorInputs(
        owner=owner("DevServerFlavor", name),
        spec=DevServerFlavorSpec.model_validate(spec),
        namespace="devserver-system",
        tools_image="local/devserver-tools:1",
        cluster_id="cluster-uid",
    )


def user_inputs(**spec: Any) -> DevServerUserInputs:
    return DevServerUserInputs(
        owner=owner("DevServerUser", "ada-lovelace"),
        spec=DevServerUserSpec.model_validate({"username": "ada"} | spec),
        refused_roles=(),
        cluster_id="cluster-uid",
    )


def stack_id(name: str = "box", kind: str = "DevServer") -> StackId:
    made_of = owner(kind, name)
    return StackId(Key(kind, made_of.namespace, name), made_of.uid)


def child_object(
    child: Child, of: Owner | None = None, person: str = "ada@example.com", **parts: Any
) -> Object:
    """A child as the API server holds it, of the owner `of`; parts: other fields of the object."""
    of = of or owner()
    labels = {MANAGED_BY_LABEL: MANAGER}
    metadata: Object = {
        "name": child.name,
        "uid": f"uid-of-{child.name}",
        "resourceVersion": "1",
        "labels": labels,
    }
    if child.namespace:
        metadata["namespace"] = child.namespace
    if child.retained:
        labels[OWNER_HASH_LABEL] = owner_hash(person)
        metadata["annotations"] = {RETAINED_BY_ANNOTATION: of.retained_by}
    else:
        labels |= {UID_LABEL: of.uid, NAME_LABEL: of.name}
        metadata["ownerReferences"] = [
            {"apiVersion": API_VERSION, "kind": of.kind, "name": of.name, "uid": of.uid, "controller": True}
        ]
    return {"apiVersion": child.api_version, "kind": child.kind, "metadata": metadata, **parts}


def cache(*objects: Object) -> Cache:
    """A cache that has seen these custom resources and children, and nothing else."""
    seen = Cache(resources_of(KINDS))
    for item in objects:
        store = (
            seen.resources[item["kind"]]
            if item["kind"] in seen.resources
            else seen.children[item["apiVersion"], item["kind"]]
        )
        store[item["metadata"].get("namespace", ""), item["metadata"]["name"]] = item
    return seen


@dataclass(frozen=True)
class Kinds:
    """All kinds over one cache."""

    cache: Cache
    devserver: DevServerKind
    flavor: FlavorKind
    user: UserKind

    @property
    def by_name(self) -> dict[str, Kind[Any, Any]]:
        """As the loop knows them."""
        return {kind.resource.kind: kind for kind in (self.devserver, self.flavor, self.user)}


def kinds(
    *objects: Object, settings: Settings | None = None, clock: Callable[[], float] = time.monotonic
) -> Kinds:
    """The kinds over what the watches have seen: custom resources, children, pods of DevServers, StorageClasses."""
    of_devservers = {"Pod", "StorageClass"}
    seen = cache(*(item for item in objects if item["kind"] not in of_devservers))
    settings = settings or Settings()
    devserver_kind = DevServerKind(seen, settings, "cluster-uid")
    for item in objects:
        name = item["metadata"].get("namespace", ""), item["metadata"]["name"]
        if item["kind"] == "Pod":
            devserver_kind.watched.pods[name] = item
        elif item["kind"] == "StorageClass":
            devserver_kind.watched.storage_classes[name] = item
    flavor_kind = FlavorKind(seen, settings, "cluster-uid", clock)
    metrics.register_kinds(kind.resource.kind for kind in KINDS)
    return Kinds(seen, devserver_kind, flavor_kind, UserKind(seen, settings, "cluster-uid"))


def storage_class(name: str = "fast", **fields: Any) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "uid": f"uid-of-{name}"},
        **fields,
    }


def pod(name: str = "box", **parts: Any) -> Object:
    """The pod of the DevServer `name`; parts: `status`, or fields of the metadata."""
    status = parts.pop("status", {})
    labels = {MANAGED_BY_LABEL: MANAGER, NAME_LABEL: name} | parts.pop("labels", {})
    metadata = {
        "name": f"{name}-0",
        "namespace": "dev-ada",
        "uid": f"uid-of-{name}-0",
        "labels": labels,
        **parts,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}
