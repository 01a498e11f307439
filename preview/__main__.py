"""What plain `pulumi preview` runs: the program of the resource in one manifest, from the same gathering and the
same checks as in the reconciler, against the cluster of your kubeconfig.

The preview has no state of its own, so it shows everything that the resource consists of.
"""

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pulumi
from pydantic import ValidationError

from crds import API_VERSION, is_valid_name
from crds.base import Metadata
from crds.reader import UnreadableError, load_documents
from reconciler import claims
from reconciler.claims import Claim
from reconciler.cluster import Cluster, ClusterError, Object, connect
from reconciler.errors import ReconcileError
from reconciler.expiry import format_time
from reconciler.gather import owner_of, parsed
from reconciler.hostkeys import HostKeySource, live_host_keys
from reconciler.kinds import KINDS, Prepared
from reconciler.queue import Key
from reconciler.resources import CHILDREN, DEVSERVER, FLAVOR, NAMESPACE, Resource
from reconciler.settings import Settings
from reconciler.sshkeys import generate_host_keys
from reconciler.world import World
from stacks.devserver.program import HostKeys
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, Child, Owner
from stacks.registration import register

ROOT = Path(__file__).parent.parent


class ManifestError(Exception):
    """A file cannot be used. The message names it and the fix."""


def main() -> None:
    """Declare the resources. Raises RunError, which Pulumi prints without a traceback."""
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError("This program is for `pulumi preview`; the reconciler does what it shows.")
    config = pulumi.Config()
    try:
        manifest = load(ROOT / config.require("manifest"), KINDS)
        flavor = load(ROOT / config.require("flavor"), [FLAVOR.kind])
        # This thread's event loop is Pulumi's, and runs.
        with ThreadPoolExecutor(1) as other:
            prepared = other.submit(asyncio.run, prepare(manifest, flavor)).result()
    except (ManifestError, ClusterError, ReconcileError, ValidationError) as error:
        raise pulumi.RunError(str(error)) from None
    register(prepared.program)


def load(path: Path, kinds: Collection[str]) -> Object:
    """The one resource in a manifest, which is of one of the kinds. Raises ManifestError."""
    try:
        documents = load_documents(path.read_text())
    except (OSError, UnicodeDecodeError, UnreadableError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ManifestError(f"{path} must hold one resource; it holds {len(documents)} documents")
    resource: Object = documents[0]
    if resource.get("apiVersion") != API_VERSION or resource.get("kind") not in kinds:
        raise ManifestError(f"{path} must be of apiVersion {API_VERSION} and kind {' or '.join(kinds)}")
    try:
        name = Metadata.model_validate(resource.get("metadata")).name
    except ValidationError as error:
        raise ManifestError(f"{path}: metadata must hold a name, and a namespace at most: {error}") from error
    if resource["kind"] == DEVSERVER.kind and not is_valid_name(name):
        raise ManifestError(f"{path}: metadata.name: {name!r} cannot be the name of a DevServer")
    return resource


async def prepare(manifest: Object, flavor: Object) -> Prepared:
    """The program of the resource in the manifest, if the cluster allows it.

    flavor: stands in if the cluster has none of its name. Raises ClusterError, and the ReconcileError that the
    resource's condition would tell.
    """
    now, settings = datetime.now(UTC), Settings()
    async with connect() as cluster:
        system = await cluster.get(NAMESPACE, "", "kube-system")
        if system is None:
            raise ClusterError(404, "NotFound", "the cluster has no namespace kube-system")
        world = await snapshot(cluster)
        add(world, flavor, now, instead=False)
        key, resource = add(world, manifest, now, instead=True)
        kind = KINDS[key.kind]
        inputs = kind.gather(world, key, resource, settings, system["metadata"]["uid"], now)
        objection = kind.objection(inputs)
        if objection is not None:
            raise objection
        owner = owner_of(key, resource)
        prepared = await kind.prepare(inputs, owner, host_key_source(cluster))
        person = kind.person(parsed(kind.model, resource))
        for child in prepared.program.children:
            live = await claims.live(cluster, child)
            if claims.judge(live, owner, child, person, world) is Claim.FOREIGN:
                raise claims.conflict(child, live)
        return prepared


async def snapshot(cluster: Cluster) -> World:
    """The world as it is now: custom resources and managed children."""
    custom = [kind.resource for kind in KINDS.values()]
    managed = f"{MANAGED_BY_LABEL}={MANAGER}"
    found = await asyncio.gather(
        *(_listed(cluster, resource, "") for resource in custom),
        *(_listed(cluster, resource, managed) for resource in CHILDREN),
    )
    stores = [{_place(obj): obj for obj in objects} for objects in found]
    return World(
        resources={resource.kind: store for resource, store in zip(custom, stores, strict=False)},
        children={
            (resource.api_version, resource.kind): store
            for resource, store in zip(CHILDREN, stores[len(custom) :], strict=True)
        },
    )


async def _listed(cluster: Cluster, resource: Resource, selector: str) -> list[Object]:
    try:
        return (await cluster.list_all(resource, selector=selector))[0]
    except ClusterError as error:
        if error.status == 404:  # the definitions are not installed yet
            return []
        raise


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def add(world: World, manifest: Object, now: datetime, instead: bool) -> tuple[Key, Object]:
    """Put the manifest's resource into the world as if it had been applied now; returns it as it would be.

    instead: its spec takes the place of that of a resource of this name that the cluster has.
    """
    kind, metadata = manifest["kind"], manifest["metadata"]
    namespace = metadata.get("namespace", "default") if KINDS[kind].resource.namespaced else ""
    place = (namespace, metadata["name"])
    live = world.resources[kind].get(place)
    if live is None:
        identity = {"namespace": namespace, "name": metadata["name"], "uid": f"preview-{kind.lower()}"}
        applied = {
            "metadata": {**identity, "creationTimestamp": format_time(now)},
            "spec": manifest.get("spec"),
        }
        world.resources[kind][place] = {"apiVersion": API_VERSION, "kind": kind, **applied}
    elif instead:
        world.resources[kind][place] = {**live, "spec": manifest.get("spec")}
    return Key(kind, *place), world.resources[kind][place]


def host_key_source(cluster: Cluster) -> HostKeySource:
    """Gives host keys as the reconciler does, save for those that only a state still holds."""

    async def find(owner: Owner, child: Child) -> HostKeys:
        return await live_host_keys(partial(claims.live, cluster), owner, child) or generate_host_keys()

    return find


if __name__ == "__main__":
    main()
