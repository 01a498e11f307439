"""Where the bench takes place: namespaces and a flavor of its own, and DevServers in them."""

import asyncio
import copy
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.api import Api, Follower, Object
from bench.errors import BenchError
from crds import API_VERSION
from stacks.metadata import MANAGED_BY_LABEL, NAME_LABEL, UID_LABEL

# How many objects are sent at a time: DevServers as well as the sets of bare calls.
AT_A_TIME = 16
# A DevServer's children: path of the collection and how many it has there.
CHILD_PATHS = {
    "apis/apps/v1/namespaces/{}/statefulsets": 1,
    "api/v1/namespaces/{}/services": 2,
    "api/v1/namespaces/{}/configmaps": 1,
    "api/v1/namespaces/{}/secrets": 1,
}
CHILD_COUNT = sum(CHILD_PATHS.values())
_LABEL = "devserver-bench"
_FLAVORS = f"/apis/{API_VERSION}/devserverflavors"
_NAMESPACES = "/api/v1/namespaces"
_GONE_S = 300.0
_T = TypeVar("_T")


def public_key() -> str:
    """A new SSH key's public half."""
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def plural_of(child: Object) -> str:
    """The last word of the path of the child's collection."""
    return f"{child['kind'].lower()}s"


def is_applied(obj: Object | None) -> bool:
    """Whether the DevServer's present spec is applied, with nothing left to do."""
    if obj is None:
        return False
    by_type = {item["type"]: item for item in obj.get("status", {}).get("conditions", [])}
    ready = by_type.get("Ready", {})
    return (
        ready.get("observedGeneration") == obj["metadata"]["generation"]
        and "Reconciling" not in by_type
        and "Stalled" not in by_type
    )


def named_problem(obj: Object | None) -> str | None:
    """The reason why the DevServer cannot be applied; None if it says none."""
    for condition in (obj or {}).get("status", {}).get("conditions", []):
        if condition["type"] in ("Reconciling", "Stalled"):
            return str(condition["reason"])
    return None


def bare(child: Object, namespace: str, name: str, owner: str) -> Object:
    """A child as one would apply it oneself: for another DevServer's name, without what the API server adds.

    owner: the DevServer that the child was made for. The result is nobody's child.
    """
    meta = child["metadata"]
    made: Object = copy.deepcopy({key: child[key] for key in ("apiVersion", "kind")})
    made["metadata"] = {
        "name": name + meta["name"].removeprefix(owner),
        "namespace": namespace,
        "labels": {**meta["labels"], MANAGED_BY_LABEL: _LABEL, NAME_LABEL: name},
        "annotations": dict(meta.get("annotations", {})),
    }
    made |= copy.deepcopy({key: child[key] for key in ("data", "type", "spec") if key in child})
    spec = made.get("spec", {})
    for assigned in ("clusterIP", "clusterIPs"):
        if spec.get(assigned) not in ("None", ["None"]):
            spec.pop(assigned, None)
    return made


async def in_turns(items: Iterable[_T], act: Callable[[_T], Awaitable[object]]) -> None:
    """Do something with each of the items, AT_A_TIME at a time."""
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            await act(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(work())


@dataclass
class Grounds:
    """The bench's objects in the cluster.

    namespace: of the DevServers. devservers: all that are in it.
    """

    api: Api
    namespace: str
    flavor: str
    devservers: Follower
    _uids: dict[str, str] = field(default_factory=dict)
    _key: str = field(default_factory=public_key)

    @classmethod
    def on(cls, api: Api) -> "Grounds":
        """Grounds with names of their own."""
        name = f"bench-{secrets.token_hex(3)}"
        path = f"/apis/{API_VERSION}/namespaces/{name}/devservers"
        return cls(api, name, name, Follower(api, path))

    @property
    def bare_namespace(self) -> str:
        """Where the bare calls make their objects."""
        return f"{self.namespace}-bare"

    async def make(self) -> None:
        """Make the namespaces and the flavor."""
        for namespace in (self.namespace, self.bare_namespace):
            await self._create(_NAMESPACES, {"apiVersion": "v1", "kind": "Namespace"}, namespace)
        spec = {"resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}}}
        flavor = {"apiVersion": API_VERSION, "kind": "DevServerFlavor", "spec": spec}
        await self._create(_FLAVORS, flavor, self.flavor)

    async def remove(self) -> None:
        """Remove all of it, by uid. The reconciler must run: DevServers and flavor are its own to finish."""
        listed = await self.api.get(self.devservers.path)
        await in_turns(listed["items"], self._delete)
        await self._until_empty(self.devservers.path)
        await self._delete_made(_FLAVORS, self.flavor)
        await self._until_gone(f"{_FLAVORS}/{self.flavor}")
        for namespace in (self.namespace, self.bare_namespace):
            await self._delete_made(_NAMESPACES, namespace)

    def manifest(self, name: str, **spec: Any) -> Object:
        """A stopped DevServer with five children. spec: fields that differ."""
        defaults = {
            "owner": "bench@example.com",
            "flavor": self.flavor,
            "image": "local/busybox:1",
            "running": False,
            "ssh": {"publicKey": self._key},
        }
        return {
            "apiVersion": API_VERSION,
            "kind": "DevServer",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {**defaults, **spec},
        }

    async def submit(self, manifests: Sequence[Object]) -> None:
        """Apply DevServers."""
        await in_turns(manifests, lambda item: self.api.apply(self.path(item["metadata"]["name"]), item))

    async def applied(self, names: Iterable[str], timeout_s: float) -> None:
        """Wait until these DevServers are applied."""
        await self.devservers.wait_for(set(names), is_applied, "DevServers are applied", timeout_s)

    async def create(self, names: Sequence[str], timeout_s: float) -> float:
        """Make DevServers and wait until they are applied; the seconds that it took."""
        began = time.monotonic()
        await self.submit([self.manifest(name) for name in names])
        await self.applied(names, timeout_s)
        return time.monotonic() - began

    async def delete(self, names: Iterable[str], timeout_s: float) -> float:
        """Delete DevServers and wait until they are gone; the seconds that it took."""
        began = time.monotonic()
        known = {name: self.devservers.objects[name] for name in names}
        await in_turns(known.values(), self._delete)
        await self.devservers.wait_for(set(known), lambda obj: obj is None, "DevServers are gone", timeout_s)
        return time.monotonic() - began

    async def children(self, name: str) -> list[Object]:
        """The children of a DevServer. Raises BenchError unless there are as many as there should be."""
        uid = self.devservers.objects[name]["metadata"]["uid"]
        found = []
        for path, count in CHILD_PATHS.items():
            collection = path.format(self.namespace)
            listed = await self.api.get(f"/{collection}?labelSelector={UID_LABEL}={uid}")
            # Items of a list do not say what they are.
            described = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
            found += [{**described, **item} for item in listed["items"]]
            if len(listed["items"]) != count:
                raise BenchError(f"{name} has {len(listed['items'])} {path.rpartition('/')[2]}, not {count}")
        return found

    def child_followers(self) -> Iterator[Follower]:
        """Followers of all collections that DevServers have children in, yet to be entered."""
        for path in CHILD_PATHS:
            yield Follower(self.api, f"/{path.format(self.namespace)}", NAME_LABEL)

    def path(self, name: str) -> str:
        """URL path of a DevServer."""
        return f"{self.devservers.path}/{name}"

    async def _create(self, collection: str, body: Object, name: str) -> None:
        answer = await self.api.create(collection, {**body, "metadata": {"name": name}})
        self._uids[f"{collection}/{name}"] = answer["metadata"]["uid"]

    async def _delete(self, devserver: Object) -> None:
        meta = devserver["metadata"]
        await self.api.delete(self.path(meta["name"]), meta["uid"])

    async def _delete_made(self, collection: str, name: str) -> None:
        path = f"{collection}/{name}"
        if path in self._uids:
            await self.api.delete(path, self._uids[path])

    async def _until_empty(self, collection: str) -> None:
        deadline = time.monotonic() + _GONE_S
        while (await self.api.get(collection))["items"]:
            if time.monotonic() > deadline:
                raise BenchError(f"{collection} still holds objects after {_GONE_S:.0f} s")
            await asyncio.sleep(0.5)

    async def _until_gone(self, path: str) -> None:
        collection, _, name = path.rpartition("/")
        await self._until_empty(f"{collection}?fieldSelector=metadata.name={name}")
