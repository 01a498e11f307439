"""The watches of everything that decides where a pod fits. NodePools are watched only while their CRD exists."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import structlog

from crds.resources import CRD, NODE, POD, PRIORITY_CLASS, RUNTIME_CLASS, Resource
from reconciler.controller.kind import Follow
from reconciler.kinds.flavor.scheduling import capacity, karpenter
from reconciler.kinds.flavor.scheduling.capacity import Capacity, reduce_object, relevant
from reconciler.kube.objects import Key, Object, Store, is_deleting
from reconciler.kube.watch import WatchSpec

_log = structlog.get_logger()
_GROUP, _PLURAL = "karpenter.sh", "nodepools"
# The watch uses the first of these versions that is served.
_VERSIONS = ("v1", "v1beta1")
# The first summaries wait at most this long for NodePools, in seconds.
_SETTLED_WITHIN_S = 30.0


class CapacityWatches:
    """Fills a Capacity. changed: called when something relevant changed."""

    def __init__(self, filled: Capacity, changed: Callable[[], None]) -> None:
        self._capacity = filled
        self._changed = changed
        self._settled = asyncio.Event()
        # Karpenter's CRD of NodePools, if it exists.
        self._definitions: Store = {}
        self._definition_changed = asyncio.Event()

    def specs(self) -> Iterator[WatchSpec]:
        """The watches that always run."""
        filled, handlers = self._capacity, (self._note,)
        yield WatchSpec(NODE, handlers, transform=capacity.reduce_node, store=filled.nodes)
        # Our own pods have another watch, too, which keeps more of each pod.
        yield WatchSpec(
            POD,
            handlers,
            name="all-pods",
            fields=capacity.NON_TERMINATED_PODS,
            transform=capacity.reduce_pod,
            store=filled.pods,
        )
        yield WatchSpec(
            PRIORITY_CLASS,
            handlers,
            transform=capacity.reduce_priority_class,
            store=filled.priority_classes,
        )
        yield WatchSpec(
            RUNTIME_CLASS, handlers, transform=capacity.reduce_runtime_class, store=filled.runtime_classes
        )

        yield WatchSpec(
            CRD,
            (self._note_definition,),
            fields=f"metadata.name={_PLURAL}.{_GROUP}",
            transform=lambda obj: reduce_object(obj, served_version),
            store=self._definitions,
        )

    async def settled(self) -> None:
        """Wait until NodePools are listed or known not to be served, for at most half a minute."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN_S):
                await self._settled.wait()

    async def follow_node_pools(self, follow: Follow) -> None:
        """Follow NodePools while they are served, until cancelled. The definition must be known."""
        while True:
            self._definition_changed.clear()
            version = self._version()
            if version is None:
                self._settled.set()
                await self._definition_changed.wait()
            else:
                await self._follow_version(version, follow)

    def _version(self) -> str | None:
        return next((relevant(obj) for obj in self._definitions.values()), None)

    async def _follow_version(self, version: str, follow: Follow) -> None:
        """Follow NodePools until the API server serves another version of them, or none."""
        _log.info("following NodePools", version=version)
        resource = Resource(f"{_GROUP}/{version}", "NodePool", _PLURAL, namespaced=False)
        self._capacity.node_pools = {}
        spec = WatchSpec(
            resource, (self._note,), transform=karpenter.reduce_node_pool, store=self._capacity.node_pools
        )
        try:
            async with asyncio.TaskGroup() as group:
                following = group.create_task(follow(spec, self._settled.set))
                while self._version() == version:
                    self._definition_changed.clear()
                    await self._definition_changed.wait()
                following.cancel()
        finally:
            self._capacity.node_pools = {}
            self._changed()

    def _note(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        # Heartbeats of nodes and progress of pods change nothing relevant.
        if relevant(old) != relevant(new):
            self._changed()
        return ()

    def _note_definition(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        self._definition_changed.set()
        return ()


def served_version(definition: Object) -> str | None:
    """The version of NodePools to follow; None if none is served (yet, or any more). definition: the CRD."""
    conditions = definition.get("status", {}).get("conditions") or []
    established = any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
    if not established or is_deleting(definition):
        return None
    served = {version["name"] for version in definition["spec"]["versions"] if version["served"]}
    return next((version for version in _VERSIONS if version in served), None)
