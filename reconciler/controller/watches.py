"""All watches of the reconciler, and which resources a change of an object wakes."""

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial

import structlog

from crds.resources import (
    CHILDREN,
    CORE_EVENT,
    DEVSERVER,
    FLAVOR,
    LEASE,
    NAMESPACE,
    POD,
    PVC,
    QUOTA,
    SECRET,
    STORAGE_CLASS,
    USER,
    Resource,
)
from reconciler.controller.kind import KINDS
from reconciler.controller.retries import quota_freed, was_stopped_by_namespace, was_stopped_by_quota
from reconciler.controller.workqueue import Key, WorkQueue
from reconciler.kinds.devserver.pod import events as pod_events
from reconciler.kinds.devserver.pod import refusals as refused_pods
from reconciler.kinds.devserver.watches import EventWatches
from reconciler.kinds.flavor.summary import FlavorSummaries, use
from reconciler.kinds.flavor.watches import CapacityWatches
from reconciler.kinds.user.username import namesakes
from reconciler.kube.cache import Cache, labels, owner_key
from reconciler.kube.client import Client, Object
from reconciler.kube.managed_fields import with_managed_fields
from reconciler.kube.watch import OnChange, Transform, Watch
from reconciler.settings import Settings
from reconciler.state.index import StateIndex
from reconciler.state.store import STATE_LABEL, STATE_SELECTOR
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError
from reconciler.telemetry import metrics
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, USER_LABEL

_log = structlog.get_logger()
# Without the states, which have a watch of their own.
_MANAGED = f"{MANAGED_BY_LABEL}={MANAGER},!{STATE_LABEL}"

# Which failures something relieved; see Reconciler.retry_now.
Unblocked = Callable[[Key, ReconcileError], bool]


class Watches:
    """All watches, and how a change of one object wakes resources.

    relieve: takes note that some failures have lost their cause; set by who leads.
    states: reads the records of states. followed: the watches that should be heard.
    """

    states: StateIndex

    def __init__(
        self,
        client: Client,
        settings: Settings,
        queue: WorkQueue,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache = Cache()
        self.relieve: Callable[[Unblocked], None] = lambda is_relieved: None
        self._queue = queue
        self._client = client
        self._settings = settings
        self._by_resource: dict[Resource, Watch] = {}
        for kind in KINDS.values():
            watch = self._add(kind.resource, self._resource_changed)
            self.cache.resources[kind.resource.kind] = watch.objects
        changed = {QUOTA: self._quota_changed, NAMESPACE: self._namespace_changed}
        for resource in CHILDREN:
            # Anyone's quota may stop a run.
            selector = "" if resource == QUOTA else _MANAGED
            watch = self._add(resource, changed.get(resource, self._child_changed), selector)
            self.cache.children[(resource.api_version, resource.kind)] = watch.objects
        self.cache.pods = self._add(POD, self._pod_changed, selector=_MANAGED).objects
        self.cache.storage_classes = self._add(STORAGE_CLASS, self._storage_class_changed).objects
        refusals = self._add(CORE_EVENT, self._pod_refused)
        refusals.fields, refusals.transform = refused_pods.FIELDS, pod_events.essence
        self.event_watches = EventWatches(self._watch, self.cache, self._wake_devserver)
        self.flavor_views = FlavorSummaries(
            self.cache, self._wake_flavor, clock, settings.schedulable_refresh_s
        )
        self._capacity = CapacityWatches(self._watch, self.cache.capacity, self.flavor_views.touch_all)
        self._states = self._watch(
            SECRET, self._state_changed, selector=STATE_SELECTOR, namespace=settings.namespace, name="states"
        )
        self.followed = [
            *self._by_resource.values(),
            *self.event_watches.by_reason.values(),
            *self._capacity.always,
        ]

    async def run(self, synced: Callable[[], None]) -> None:
        """Follow all but the states until cancelled; `synced` is called once when all first lists are in."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._capacity.run_node_pools(self.followed))
            await _follow(list(self.followed), synced)

    async def run_flavor_views(self) -> None:
        """Keep up to date how it stands with the flavors, until cancelled. (Who stands by writes no status.)"""
        await self._capacity.settled()
        await self.flavor_views.run()

    async def run_states(self, states: StateIndex, synced: Callable[[], None]) -> None:
        """Follow the states too. Who leads can read them: keys may have to be made first."""
        self.states = states
        self.followed.append(self._states)
        await _follow([self._states], synced)

    def lease(self, name: str, changed: Callable[[], None]) -> Watch:
        """A watch of the Lease by which the reconcilers elect one."""
        namespace, fields = self._settings.namespace, f"metadata.name={name}"
        return self._watch(
            LEASE, lambda old, new: changed(), namespace=namespace, name="lease", fields=fields
        )

    def wake_all(self) -> None:
        """Have every resource looked at: what is due by the clock may be another thing now."""
        for kind, store in self.cache.resources.items():
            for namespace, name in store:
                self._queue.add(Key(kind, namespace, name))

    def apply_write(self, resource: Resource, obj: Object) -> None:
        """Take up the answer to a write of ours. (Written Secrets are states: others are the engine's.)"""
        (self._states if resource == SECRET else self._by_resource[resource]).apply_write(obj)

    def _add(self, resource: Resource, on_change: OnChange, selector: str = "") -> Watch:
        watch = self._watch(resource, on_change, selector=selector)
        self._by_resource[resource] = watch
        return watch

    def _watch(
        self,
        resource: Resource,
        on_change: OnChange,
        *,
        selector: str = "",
        namespace: str = "",
        name: str = "",
        fields: str = "",
        transform: Transform = with_managed_fields,
    ) -> Watch:
        return Watch(
            client=self._client,
            resource=resource,
            on_change=on_change,
            timeout_s=self._settings.watch_timeout_s,
            silence_s=self._settings.watch_silence_s,
            namespace=namespace,
            selector=selector,
            name=name,
            fields=fields,
            transform=transform,
        )

    def _resource_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        assert obj is not None
        meta = obj["metadata"]
        key = Key(obj["kind"], meta.get("namespace", ""), meta["name"])
        self._queue.add(key)
        if key.kind == FLAVOR.kind and _spec_of(old) != _spec_of(new):
            self._flavor_changed(key.name, new)
        elif key.kind == DEVSERVER.kind:
            self._use_changed(old, new)
        elif key.kind == USER.kind and (old is None or new is None):
            self._wake_namesakes(obj["spec"]["username"])

    def _flavor_changed(self, name: str, new: Object | None) -> None:
        self._wake_users_of(name)
        # Which one of them is the default may be another now.
        for (_, other), flavor in self.cache.resources[FLAVOR.kind].items():
            if flavor.get("spec", {}).get("default") is True:
                self._wake_flavor(other)
        if new is None:
            self.flavor_views.forget(name)
        else:
            self.flavor_views.touch(name)

    def _use_changed(self, old: Object | None, new: Object | None) -> None:
        before, after = use(old) if old is not None else None, use(new) if new is not None else None
        if before != after:
            for flavor in {item.flavor for item in (before, after) if item is not None and item.flavor}:
                self.flavor_views.touch(flavor)

    def _wake_flavor(self, name: str) -> None:
        self._queue.add(Key(FLAVOR.kind, "", name))

    def _wake_users_of(self, flavor: str) -> None:
        """A flavor changed: so may what those get that name it, have it or take the default one."""
        for (namespace, name), devserver in self.cache.resources["DevServer"].items():
            named = devserver.get("spec", {}).get("flavor")
            if named in (None, flavor) or devserver.get("status", {}).get("flavor") == flavor:
                self._queue.add(Key("DevServer", namespace, name))

    def _wake_namesakes(self, username: str) -> None:
        """Whose a username is may be another question now."""
        for namesake in namesakes(self.cache, username):
            self._queue.add(Key(USER.kind, "", namesake["metadata"]["name"]))

    def _child_changed(self, old: Object | None, new: Object | None) -> None:
        for obj in (old, new):
            key = owner_key(obj) if obj is not None else None
            if key is not None:
                self._queue.add(key)

    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        self._child_changed(old, new)
        if old is None or not quota_freed(old, new):
            return
        namespace, quota = old["metadata"]["namespace"], old["metadata"]["name"]
        self.relieve(lambda key, error: was_stopped_by_quota(key, error, namespace, quota))
        for (where, name), refusal in self.cache.refusals.items():
            if where == namespace and refusal.relieved_by(quota).relieved:
                self.cache.refusals[where, name] = refusal.relieved_by(quota)
                self._wake_devserver(where, name)

    def _storage_class_changed(self, old: Object | None, new: Object | None) -> None:
        """Homes of that class may be expanded now."""
        allowed = [(obj or {}).get("allowVolumeExpansion") for obj in (old, new)]
        if allowed[0] == allowed[1]:
            return
        for claim in self.cache.children[(PVC.api_version, PVC.kind)].values():
            if claim["spec"].get("storageClassName") == ((new or old) or {})["metadata"]["name"]:
                self._child_changed(None, claim)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            # Whatever was refused before, it was made in the end.
            meta = new["metadata"]
            self.cache.refusals.pop((meta["namespace"], meta["name"].removesuffix("-0")), None)
        self._child_changed(old, new)

    def _pod_refused(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            (namespace, name), refusal = refused_pods.refusal(new)
            self.cache.refusals[namespace, name] = refusal
            self._wake_devserver(namespace, name)
        elif old is not None:
            self.cache.refusals.pop(refused_pods.refusal(old)[0], None)

    def _wake_devserver(self, namespace: str, name: str) -> None:
        """Have the DevServer of that name looked at, if there is one: StatefulSets may be anyone's."""
        if (namespace, name) in self.cache.resources[DEVSERVER.kind]:
            self._queue.add(Key(DEVSERVER.kind, namespace, name))

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        self._child_changed(old, new)
        if old is None:
            return
        name = old["metadata"]["name"]
        if new is None:
            self.relieve(lambda key, error: was_stopped_by_namespace(error, name))
        elif (heir := owner_key(new)) != owner_key(old):
            # Someone gave a retained namespace to another DevServerUser by hand.
            self._wake_namesakes(labels(new).get(USER_LABEL, ""))
            self.relieve(lambda key, error: key == heir and error.reason == reasons.NAME_CONFLICT)

    def _state_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        assert obj is not None
        try:
            known = self.states.record(obj)
        except (ValueError, KeyError) as error:
            _log.warning("unreadable state Secret", secret=obj["metadata"]["name"], error=str(error))
            return
        if new is None:
            lives = self.cache.states.get(known.id.key, {})
            lives.pop(known.id.uid, None)
            if not lives:
                self.cache.states.pop(known.id.key, None)
        else:
            self.cache.states.setdefault(known.id.key, {})[known.id.uid] = known
            # The record says it all; the checkpoint itself is large.
            new.pop("data", None)
        self._queue.add(known.id.key)


async def _follow(watches: Collection[Watch], synced: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as group:
        for watch in watches:
            metrics.follow_silence(watch.name, partial(getattr, watch, "silent_s"))
            group.create_task(watch.run())
        for watch in watches:
            await watch.synced.wait()
        synced()


def _spec_of(obj: Object | None) -> object:
    return None if obj is None else (obj["spec"], "deletionTimestamp" in obj["metadata"])
