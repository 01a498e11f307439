"""The program that plain `pulumi preview` runs. It declares the children of the resource in one manifest.

It makes the same inputs and the same checks as the reconciler, against the cluster of your kubeconfig. The preview has
no state of its own, so it shows all children of the resource.
"""

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pulumi
from pydantic import ValidationError

from crds import API_VERSION, is_valid_name
from crds.base import Metadata
from crds.reader import UnreadableError, load_documents
from crds.resources import CHILDREN, DEVSERVER, FLAVOR, NAMESPACE, Resource
from crds.times import format_time
from reconciler.controller.adoption import LiveObjects, Ownership, conflict, ownership_of
from reconciler.controller.desired import desired_of
from reconciler.controller.kind import Lookup, Prepared
from reconciler.kinds.registry import KINDS, build_kinds, resources_of
from reconciler.kube.cache import Cache
from reconciler.kube.client import ApiError, Client, connect
from reconciler.kube.objects import Object, owner_of
from reconciler.settings import Settings
from reconciler.status.errors import ReconcileError
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, Child
from stacks.registration import register

ROOT = Path(__file__).parent.parent


class ManifestError(Exception):
    """A file cannot be used. The message names it and the fix."""


def main() -> None:
    """Declare the children. Raises RunError, which Pulumi prints without a traceback."""
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError("This program is for `pulumi preview`; the reconciler does what it shows.")
    config = pulumi.Config()
    try:
        manifest = load(ROOT / config.require("manifest"), [kind.resource.kind for kind in KINDS])
        flavor = load(ROOT / config.require("flavor"), [FLAVOR.kind])
        # Pulumi's event loop already runs in this thread.
        with ThreadPoolExecutor(1) as other:
            prepared = other.submit(asyncio.run, prepare(manifest, flavor)).result()
    except (ManifestError, ApiError, ReconcileError, ValidationError) as error:
        raise pulumi.RunError(str(error)) from None
    register(prepared.program)


def load(path: Path, kinds: Collection[str]) -> Object:
    """The resource in a manifest. Raises ManifestError unless there is exactly one, of one of the kinds."""
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

    flavor: a manifest that is used if the cluster has no flavor of its name.
    Raises ApiError, and the ReconcileError that the reconciler would report in a condition.
    """
    now = datetime.now(UTC)
    async with connect() as client:
        system = await client.get(NAMESPACE, "", "kube-system")
        if system is None:
            raise ApiError(404, "NotFound", "the cluster has no namespace kube-system")
        cache = Cache(resources_of(KINDS))
        kinds = build_kinds(KINDS, cache, Settings(), system["metadata"]["uid"])
        await fill(cache, client)
        add(cache, flavor, now, instead=False)
        resource = add(cache, manifest, now, instead=True)
        kind, owner = kinds[resource["kind"]], owner_of(resource)
        goal = desired_of(kind, resource, now).goal
        if isinstance(goal, ReconcileError):
            raise goal
        if goal.rejected is not None:
            raise goal.rejected
        live = LiveObjects(client)
        prepared = await kind.prepare(goal.inputs, Lookup(live, _no_state))
        data_owner = kind.data_owner(goal.model)
        for child in prepared.program.children:
            found = await live(child)
            if ownership_of(found, owner, child, data_owner, cache) is Ownership.FOREIGN:
                raise conflict(child, found, cache)
        return prepared


async def _no_state(child: Child) -> None:
    """The preview has no state to look up Secrets in."""


async def fill(cache: Cache, client: Client) -> None:
    """Fill the cache with the custom resources and managed children of the cluster."""
    managed = f"{MANAGED_BY_LABEL}={MANAGER}"
    stores = [
        *((resource, "", cache.resources[kind]) for kind, resource in cache.kinds.items()),
        *((resource, managed, cache.children[resource.api_version, resource.kind]) for resource in CHILDREN),
    ]
    found = await asyncio.gather(*(_listed(client, resource, selector) for resource, selector, _ in stores))
    for (_, _, store), objects in zip(stores, found, strict=True):
        store.update({_place(obj): obj for obj in objects})


async def _listed(client: Client, resource: Resource, selector: str) -> list[Object]:
    try:
        return (await client.list_all(resource, selector=selector))[0]
    except ApiError as error:
        if error.status == 404:  # the definitions are not installed yet
            return []
        raise


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def add(cache: Cache, manifest: Object, now: datetime, instead: bool) -> Object:
    """Put the manifest's resource into the cache as if it had been applied now. Returns the resource.

    instead: if the cluster has a resource of this name, replace its spec.
    """
    kind, metadata = manifest["kind"], manifest["metadata"]
    namespace = metadata.get("namespace", "default") if cache.kinds[kind].namespaced else ""
    place, store = (namespace, metadata["name"]), cache.resources[kind]
    live = store.get(place)
    if live is None:
        identity = {"namespace": namespace, "name": metadata["name"], "uid": f"preview-{kind.lower()}"}
        store[place] = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {**identity, "creationTimestamp": format_time(now)},
            "spec": manifest.get("spec"),
        }
    elif instead:
        store[place] = {**live, "spec": manifest.get("spec")}
    return store[place]


if __name__ == "__main__":
    main()
