"""The watches of what decides where a pod finds room. Those of NodePools come and go with Karpenter's definition."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from crds.resources import CRD, NODE, POD, PRIORITY_CLASS, RUNTIME_CLASS, Resource
from reconciler.kinds.flavor.scheduling import capacity, karpenter
from reconciler.kinds.flavor.scheduling.capacity import Capacity, reduce_object, relevant
from reconciler.kube.client import Object
from reconciler.kube.watch import OnChange, Transform, Watch
from reconciler.telemetry import metrics

_log = structlog.get_logger()
_GROUP, _PLURAL = "karpenter.sh", "nodepools"
# Of the versions that are served the first one of these is taken.
_VERSIONS = ("v1", "v1beta1")
# For so long the first look at the flavors waits for NodePools, in seconds.
_SETTLED_WITHIN_S = 30.0


class MakeWatch(Protocol):
    """What makes watches."""

    def __call__(
        self,
        resource: Resource,
        on_change: OnChange,
        *,
        name: str = "",
        fields: str = "",
        transform: Transform,
    ) -> Watch:
        """A watch. fields: a field selector. name: for logs and metrics."""


class CapacityWatches:
    """Fills a Capacity.

    changed: called when something that counts is another. always: watches that are to be followed; the one of
    NodePools is followed by run_node_pools.
    """

    def __init__(self, make: MakeWatch, filled: Capacity, changed: Callable[[], None]) -> None:
        self._make = make
        self._capacity = filled
        self._changed = changed
        self._version_changed = asyncio.Event()
        self._settled = asyncio.Event()

        def watch(resource: Resource, transform: Transform, name: str = "", fields: str = "") -> Watch:
            return make(resource, self._tell, name=name, fields=fields, transform=transform)

        nodes = watch(NODE, capacity.reduce_node)
        # Those of our own have a watch that keeps more of them.
        pods = watch(POD, capacity.reduce_pod, "all-pods", capacity.NON_TERMINATED_PODS)
        priorities = watch(PRIORITY_CLASS, capacity.reduce_priority_class)
        runtimes = watch(RUNTIME_CLASS, capacity.reduce_runtime_class)
        self._definition = make(
            CRD,
            lambda old, new: self._version_changed.set(),
            fields=f"metadata.name={_PLURAL}.{_GROUP}",
            transform=lambda obj: reduce_object(obj, served_version),
        )
        filled.nodes, filled.pods = nodes.objects, pods.objects
        filled.priority_classes, filled.runtime_classes = priorities.objects, runtimes.objects
        self.always = [nodes, pods, priorities, runtimes, self._definition]

    def _tell(self, old: Object | None, new: Object | None) -> None:
        # Heartbeats of nodes and progress of pods change nothing that counts.
        if relevant(old) != relevant(new):
            self._changed()

    async def settled(self) -> None:
        """Wait until NodePools are known, or known not to be served; not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN_S):
                await self._settled.wait()

    async def run_node_pools(self, followed: list[Watch]) -> None:
        """Follow NodePools while they are served, until cancelled. followed: the watches that should be heard."""
        await self._definition.synced.wait()
        while True:
            self._version_changed.clear()
            version = self._version()
            if version is None:
                self._settled.set()
                await self._version_changed.wait()
            else:
                await self._follow(version, followed)

    def _version(self) -> str | None:
        return next((relevant(obj) for obj in self._definition.objects.values()), None)

    async def _follow(self, version: str, followed: list[Watch]) -> None:
        """Follow NodePools until another version of them, or none, is served."""
        _log.info("following NodePools", version=version)
        resource = Resource(f"{_GROUP}/{version}", "NodePool", _PLURAL, namespaced=False)
        watch = self._make(resource, self._tell, transform=karpenter.reduce_node_pool)
        self._capacity.node_pools = watch.objects
        followed.append(watch)
        metrics.follow_silence(watch.name, lambda: watch.silent_s)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(watch.run()), group.create_task(self._settle(watch))]
                while self._version() == version:
                    self._version_changed.clear()
                    await self._version_changed.wait()
                for task in tasks:
                    task.cancel()
        finally:
            metrics.forget_silence(watch.name)
            followed.remove(watch)
            self._capacity.node_pools = {}
            self._changed()

    async def _settle(self, watch: Watch) -> None:
        await watch.synced.wait()
        self._settled.set()


def served_version(definition: Object) -> str | None:
    """The version of NodePools to follow; None if none is served (yet, or any more)."""
    conditions = definition.get("status", {}).get("conditions") or []
    established = any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
    if not established or "deletionTimestamp" in definition["metadata"]:
        return None
    served = {version["name"] for version in definition["spec"]["versions"] if version["served"]}
    return next((version for version in _VERSIONS if version in served), None)
