"""Our finalizer on a custom resource. It stays as long as the resource may have a stack."""

from collections.abc import Callable
from dataclasses import dataclass

from crds.resources import Resource
from reconciler.kube.cache import Cache
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Key, Object, is_deleting
from reconciler.state.store import StackId
from reconciler.status import reasons
from reconciler.status.errors import TransientError

# Says that the resource has a stack, which must be destroyed before the resource can go.
FINALIZER = "devserver.io/stack"


@dataclass(frozen=True)
class Finalizers:
    """Adds and removes our finalizer. apply_write: puts the answer to a write into the cache, ahead of the watch."""

    client: Client
    cache: Cache
    apply_write: Callable[[Resource, Object], None]

    async def add(self, id: StackId) -> bool:
        """Add our finalizer to the resource. Returns whether it was missing before.

        Raises TransientError if the resource is being deleted or is gone.
        """

        def added(found: Object | None) -> list[str]:
            if found is None or is_deleting(found):
                raise TransientError(reasons.CLUSTER_ERROR, f"{id.key} was deleted meanwhile.")
            present: list[str] = found["metadata"].get("finalizers", [])
            return present if FINALIZER in present else [*present, FINALIZER]

        return await self._change(id, added)

    async def drop(self, id: StackId) -> None:
        """Remove our finalizer and keep those of others."""

        def dropped(found: Object | None) -> list[str]:
            present = found["metadata"].get("finalizers", []) if found is not None else []
            return [name for name in present if name != FINALIZER]

        await self._change(id, dropped)

    async def fresh(self, id: StackId) -> Object | None:
        """The resource, read from the API server. None if it is gone or another one has its name by now."""
        fresh = await self.client.get(self._resource(id.key), id.key.namespace, id.key.name)
        return fresh if fresh is not None and fresh["metadata"]["uid"] == id.uid else None

    async def _change(self, id: StackId, changed: Callable[[Object | None], list[str]]) -> bool:
        """Set the finalizers that `changed` returns for the resource. Returns whether they differ from before.

        The cached resource is good enough, even if it is stale. If it has the finalizer, a deletion waits for that.
        If the finalizers must change, the API server refuses a write to a stale version. Then the resource is read
        again.
        """

        async def change(found: Object | None) -> bool:
            finalizers = changed(found)
            if found is None or finalizers == found["metadata"].get("finalizers", []):
                return False
            await self._set(id.key, found, finalizers)
            return True

        try:
            return await change(self._cached(id))
        except ApiError as error:
            if error.status not in (404, 409):
                raise
        return await change(await self.fresh(id))

    def _cached(self, id: StackId) -> Object | None:
        """The resource from the cache, if its uid is still the same."""
        cached = self.cache.resource(id.key)
        return cached if cached is not None and cached["metadata"]["uid"] == id.uid else None

    async def _set(self, key: Key, found: Object, finalizers: list[str]) -> None:
        version = found["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version, "finalizers": finalizers}}
        resource = self._resource(key)
        self.apply_write(resource, await self.client.patch(resource, key.namespace, key.name, body))

    def _resource(self, key: Key) -> Resource:
        return self.cache.kinds[key.kind]
