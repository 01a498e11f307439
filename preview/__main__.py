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
from crds.resources import CHILDREN, DEVSERVER, FLAVOR, NAMESPACE, Resource
from crds.times import format_time
from reconciler.controller import adoption as claims
from reconciler.controller.adoption import Ownership
from reconciler.controller.kind import KINDS, Prepared
from reconciler.controller.workqueue import Key
from reconciler.kinds.devserver.inputs import owner_of, parsed
from reconciler.kinds.devserver.ssh.host_keys import HostKeySource, live_host_keys
from reconciler.kinds.devserver.ssh.keys import generate_host_keys
from reconciler.kube.cache import Cache
from reconciler.kube.client import ApiError, Client, Object, connect
from reconciler.settings import Settings
from reconciler.status.errors import ReconcileError
from stacks.devserver import HostKeys
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, Child, Owner

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
    except (ManifestError, ApiError, ReconcileError, ValidationError) as error:
        raise pulumi.RunError(str(error)) from None
    prepared.program()


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

    flavor: stands in if the cluster has none of its name. Raises ApiError, and the ReconcileError that the
    resource's condition would tell.
    """
    now, settings = datetime.now(UTC), Settings()
    async with connect() as client:
        system = await client.get(NAMESPACE, "", "kube-system")
        if system is None:
            raise ApiError(404, "NotFound", "the cluster has no namespace kube-system")
        cache = await snapshot(client)
        add(cache, flavor, now, instead=False)
        key, resource = add(cache, manifest, now, instead=True)
        kind = KINDS[key.kind]
        inputs = kind.gather(cache, key, resource, settings, system["metadata"]["uid"], now)
        objection = kind.objection(inputs)
        if objection is not None:
            raise objection
        owner = owner_of(key, resource)
        prepared = await kind.prepare(inputs, owner, host_key_source(client))
        person = kind.person(parsed(kind.model, resource))
        for child in prepared.children:
            live = await claims.live(client, child)
            if claims.ownership_of(live, owner, child, person, cache) is Ownership.FOREIGN:
                raise claims.conflict(child, live)
        return prepared


async def snapshot(client: Client) -> Cache:
    """The world as it is now: custom resources and managed children."""
    custom = [kind.resource for kind in KINDS.values()]
    managed = f"{MANAGED_BY_LABEL}={MANAGER}"
    found = await asyncio.gather(
        *(_listed(client, resource, "") for resource in custom),
        *(_listed(client, resource, managed) for resource in CHILDREN),
    )
    stores = [{_place(obj): obj for obj in objects} for objects in found]
    return Cache(
        resources={resource.kind: store for resource, store in zip(custom, stores, strict=False)},
        children={
            (resource.api_version, resource.kind): store
            for resource, store in zip(CHILDREN, stores[len(custom) :], strict=True)
        },
    )


async def _listed(client: Client, resource: Resource, selector: str) -> list[Object]:
    try:
        return (await client.list_all(resource, selector=selector))[0]
    except ApiError as error:
        if error.status == 404:  # the definitions are not installed yet
            return []
        raise


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def add(cache: Cache, manifest: Object, now: datetime, instead: bool) -> tuple[Key, Object]:
    """Put the manifest's resource into the world as if it had been applied now; returns it as it would be.

    instead: its spec takes the place of that of a resource of this name that the cluster has.
    """
    kind, metadata = manifest["kind"], manifest["metadata"]
    namespace = metadata.get("namespace", "default") if KINDS[kind].resource.namespaced else ""
    place = (namespace, metadata["name"])
    live = cache.resources[kind].get(place)
    if live is None:
        identity = {"namespace": namespace, "name": metadata["name"], "uid": f"preview-{kind.lower()}"}
        applied = {
            "metadata": {**identity, "creationTimestamp": format_time(now)},
            "spec": manifest.get("spec"),
        }
        cache.resources[kind][place] = {"apiVersion": API_VERSION, "kind": kind, **applied}
    elif instead:
        cache.resources[kind][place] = {**live, "spec": manifest.get("spec")}
    return Key(kind, *place), cache.resources[kind][place]


def host_key_source(client: Client) -> HostKeySource:
    """Gives host keys as the reconciler does, save for those that only a state still holds."""

    async def find(owner: Owner, child: Child) -> HostKeys:
        return await live_host_keys(partial(claims.live, client), owner, child) or generate_host_keys()

    return find


if __name__ == "__main__":
    main()
