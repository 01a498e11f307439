"""Our finalizer on a custom resource: it is there as long as the resource may have a stack."""

from collections.abc import Callable
from dataclasses import dataclass

from crds.resources import Resource
from reconciler.kube.cache import Cache
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Key, Object, is_deleting
from reconciler.state.store import StackId
from reconciler.status import reasons
from reconciler.status.errors import TransientError

# A stack was begun for the resource, and is to be destroyed before the resource goes.
FINALIZER = "devserver.io/stack"


@dataclass(frozen=True)
class Finalizers:
    """Adds and removes our finalizer. apply_write: takes up the answer to a write of ours, ahead of the watch."""

    client: Client
    cache: Cache
    apply_write: Callable[[Resource, Object], None]

    async def add(self, id: StackId) -> bool:
        """Have our finalizer on the resource; whether it was not there before.

        Raises TransientError if the resource is being deleted or is gone.
        """

        def added(found: Object | None) -> list[str]:
            if found is None or is_deleting(found):
                raise TransientError(reasons.CLUSTER_ERROR, f"{id.key} was deleted meanwhile.")
            present: list[str] = found["metadata"].get("finalizers", [])
            return present if FINALIZER in present else [*present, FINALIZER]

        return await self._change(id, added)

    async def drop(self, id: StackId) -> None:
        """Take our finalizer off, and leave those of others."""

        def dropped(found: Object | None) -> list[str]:
            present = found["metadata"].get("finalizers", []) if found is not None else []
            return [name for name in present if name != FINALIZER]

        await self._change(id, dropped)

    async def fresh(self, id: StackId) -> Object | None:
        """The resource as it is now, never from the cache; None if it is gone or another life has its name."""
        fresh = await self.client.get(self._resource(id.key), id.key.namespace, id.key.name)
        return fresh if fresh is not None and fresh["metadata"]["uid"] == id.uid else None

    async def _change(self, id: StackId, changed: Callable[[Object | None], list[str]]) -> bool:
        """Set the finalizers that `changed` gives for the resource; whether they are others than before.

        What the watch shows will do: a deletion that it has yet to tell of finds the finalizer in its way, and a
        change of what has changed meanwhile is refused. Only then the resource is read again.
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
        """The resource as the watch shows it, if it is still the same one."""
        cached = self.cache.resource(id.key)
        return cached if cached is not None and cached["metadata"]["uid"] == id.uid else None

    async def _set(self, key: Key, found: Object, finalizers: list[str]) -> None:
        version = found["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version, "finalizers": finalizers}}
        resource = self._resource(key)
        self.apply_write(resource, await self.client.patch(resource, key.namespace, key.name, body))

    def _resource(self, key: Key) -> Resource:
        return self.cache.kinds[key.kind]
