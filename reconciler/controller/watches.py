"""All watches of the reconciler, and which resources a changed object concerns."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from crds.resources import CHILDREN, NAMESPACE, QUOTA, Resource
from reconciler.controller import metrics
from reconciler.controller.kind import Kind
from reconciler.controller.quotas import quota_freed, was_stopped_by_quota
from reconciler.controller.retries import Unblocked, was_stopped_by_namespace
from reconciler.controller.workqueue import WorkQueue
from reconciler.kube.cache import Cache
from reconciler.kube.client import Client
from reconciler.kube.objects import Key, Object, key_of
from reconciler.kube.watch import Handler, Watch, WatchSpec
from reconciler.settings import Settings
from reconciler.state.store import STATE_LABEL
from reconciler.status import reasons
from stacks.metadata import MANAGED_BY_LABEL, MANAGER

# Selects our own objects without the states, which have a watch of their own.
MANAGED = f"{MANAGED_BY_LABEL}={MANAGER},!{STATE_LABEL}"


class Watches:
    """The watches of all kinds. A change enqueues the resources that it concerns.

    unblock: lets failures that have lost their cause be tried again; the leader sets it.
    followed: the watches that run now.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        queue: WorkQueue,
        cache: Cache,
        kinds: Mapping[str, Kind[Any, Any]],
    ) -> None:
        self.unblock: Callable[[Unblocked], None] = lambda is_unblocked: None
        self._client = client
        self._settings = settings
        self._queue = queue
        self._cache = cache
        self._kinds = kinds.values()
        own = [self._own(resource) for resource in cache.kinds.values()]
        children = [self._children(resource) for resource in CHILDREN]
        of_kinds = [spec for kind in self._kinds for spec in kind.watches()]
        merged = _merged([*own, *children, *of_kinds])
        self.followed = [self.open(spec) for spec in merged]
        self._own_watches = {watch.spec.resource: watch for watch in self.followed[: len(own)]}

    async def run(self, synced: Callable[[], None]) -> None:
        """Follow all of them until cancelled. Calls `synced` once, when all first lists have arrived."""
        async with asyncio.TaskGroup() as group:
            for watch in self.followed:
                group.create_task(_run(watch))
            for watch in self.followed:
                await watch.synced.wait()
            for kind in self._kinds:
                group.create_task(kind.follow(self._follow_more))
            synced()

    def open(self, spec: WatchSpec) -> Watch:
        """A watch whose changes enqueue resources. It does not run yet; see `follow`."""

        def changed(old: Object | None, new: Object | None) -> None:
            for handler in spec.handlers:
                for key in handler(old, new):
                    self._queue.add(key)

        return Watch(
            client=self._client,
            spec=spec,
            on_change=changed,
            timeout_s=self._settings.watch_timeout_s,
            silence_s=self._settings.watch_silence_s,
        )

    async def follow(self, watch: Watch, synced: Callable[[], None]) -> None:
        """Follow one more until cancelled. Calls `synced` once, when its first list has arrived."""
        self.followed.append(watch)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_run(watch))
                await watch.synced.wait()
                synced()
        finally:
            metrics.forget_silence(watch.name)
            self.followed.remove(watch)

    async def _follow_more(self, spec: WatchSpec, synced: Callable[[], None]) -> None:
        await self.follow(self.open(spec), synced)

    def enqueue_all(self) -> None:
        """Enqueue every resource. After a step of the clock, other things may be due."""
        for kind, store in self._cache.resources.items():
            for namespace, name in store:
                self._queue.add(Key(kind, namespace, name))

    def apply_write(self, resource: Resource, obj: Object) -> None:
        """Put the answer to a write of a custom resource into the cache, ahead of the watch."""
        self._own_watches[resource].apply_write(obj)

    def _own(self, resource: Resource) -> WatchSpec:
        """The watch of a kind's custom resources."""
        return WatchSpec(resource, (_itself,), store=self._cache.resources[resource.kind])

    def _children(self, resource: Resource) -> WatchSpec:
        """The watch of the children of that kind in all stacks."""
        handlers: tuple[Handler, ...] = (self._owners_of,)
        store = self._cache.children[(resource.api_version, resource.kind)]
        if resource == QUOTA:
            # Any quota may stop a run, not only ours.
            return WatchSpec(resource, (*handlers, self._quota_changed), store=store)
        if resource == NAMESPACE:
            handlers = (*handlers, self._namespace_changed)
        return WatchSpec(resource, handlers, selector=MANAGED, store=store)

    def _owners_of(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        for obj in (old, new):
            key = self._cache.owner_key(obj) if obj is not None else None
            if key is not None:
                yield key

    def _quota_changed(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        """A quota with more room than before unblocks the runs that it stopped."""
        if old is not None and quota_freed(old, new):
            namespace, quota = old["metadata"]["namespace"], old["metadata"]["name"]
            self.unblock(lambda key, error: was_stopped_by_quota(key, error, namespace, quota))
        return ()

    def _namespace_changed(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        """A namespace unblocks the resources that it stopped when it is gone or someone gives it to another owner."""
        if old is None:
            return ()
        name = old["metadata"]["name"]
        if new is None:
            self.unblock(lambda key, error: was_stopped_by_namespace(error, name))
        elif (heir := self._cache.owner_key(new)) != self._cache.owner_key(old):
            self.unblock(lambda key, error: key == heir and error.reason == reasons.NAME_CONFLICT)
        return ()


def _itself(old: Object | None, new: Object | None) -> Iterator[Key]:
    obj = new or old
    if obj is not None:
        yield key_of(obj)


def _merged(specs: Iterable[WatchSpec]) -> list[WatchSpec]:
    """Merges the specs of each collection into one. Keeps the order in which collections appear first.

    Raises ValueError if two specs of a collection name different stores, or if two collections have one name.
    """
    merged: dict[tuple[Resource, str, str, str], WatchSpec] = {}
    for spec in specs:
        known = merged.get(spec.collection)
        if known is None:
            merged[spec.collection] = spec
            continue
        if None not in (known.store, spec.store) and known.store is not spec.store:
            raise ValueError(f"{spec.resource.plural} are to be kept in two stores")
        merged[spec.collection] = replace(
            known,
            handlers=(*known.handlers, *spec.handlers),
            store=spec.store if known.store is None else known.store,
        )
    names = [spec.label for spec in merged.values()]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two watches are called {name}")
    return list(merged.values())


async def _run(watch: Watch) -> None:
    metrics.follow_silence(watch.name, partial(getattr, watch, "silent_s"))
    await watch.run()
