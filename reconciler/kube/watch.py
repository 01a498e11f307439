"""Watches. Each keeps a store equal to the API server's objects and reports every change.

A watch resumes where it broke off, uses bookmarks and notices a silent connection. If the API server has forgotten the
version (410), it lists again and reports the differences.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import structlog

from crds.resources import Resource
from reconciler.kube.client import ApiError, Client
from reconciler.kube.managed_fields import with_managed_fields
from reconciler.kube.objects import Key, Object, Store, WatchEvent

# Called with each change: the object before (None: added) and after (None: deleted).
OnChange = Callable[[Object | None, Object | None], None]
# Maps a change to the keys of the custom resources that it concerns.
Handler = Callable[[Object | None, Object | None], Iterable[Key]]
# Reduces an object to the parts that are kept in memory.
Transform = Callable[[Object], Object]

_log = structlog.get_logger()
# A dozen watches that retry this often are no load, and after an outage they soon see what they missed.
_RETRY_CAP_S = 4.0


@dataclass(frozen=True)
class WatchSpec:
    """A collection to watch, with the handlers of its changes.

    selector, fields: a label and a field selector. name: for logs and metrics; never chosen by users.
    store: where the watch keeps the objects; None if whoever declares the spec does not read them.
    """

    resource: Resource
    handlers: tuple[Handler, ...] = ()
    selector: str = ""
    fields: str = ""
    namespace: str = ""
    name: str = ""
    transform: Transform = with_managed_fields
    store: Store | None = None

    @property
    def label(self) -> str:
        """The name, or the plural of the kind if there is none."""
        return self.name or self.resource.plural

    @property
    def collection(self) -> tuple[Resource, str, str, str]:
        """What is watched. One watch can serve all specs with the same value."""
        return self.resource, self.namespace, self.selector, self.fields


@dataclass
class Watch:
    """A watched collection.

    objects: the store, by (namespace, name). Anyone may read it; only this class writes it.
    synced: set once the first list is in the store.
    now: a clock, in seconds. sleep: waits for a number of seconds, between two tries.
    """

    client: Client
    spec: WatchSpec
    on_change: OnChange
    timeout_s: int
    silence_s: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    # uids of objects that an answer to our own write showed to be gone, until the watch reports it.
    _gone: set[str] = field(default_factory=set)
    # The resourceVersion to resume from; empty: list again.
    _resume_from: str = ""

    def __post_init__(self) -> None:
        self.objects: Store = {} if self.spec.store is None else self.spec.store
        self._hear()

    @property
    def name(self) -> str:
        """For logs and metrics; never chosen by users."""
        return self.spec.label

    @property
    def silent_s(self) -> float:
        """Seconds since the API server last sent something. (A watch that it accepts counts, too.)"""
        return self.now() - self._heard_at

    async def run(self) -> None:
        """Follow the collection until cancelled."""
        self._hear()
        failures, before = 0, ""
        while True:
            try:
                before = self._resume_from
                if not self._resume_from:
                    await self._relist()
                await self._follow()
                failures = 0
            except TimeoutError:
                _log.warning(
                    "watch was silent, reconnecting", watch=self.name, silent_s=round(self.silent_s, 1)
                )
            except ApiError as error:
                if error.status == 410:
                    _log.info("watch lists anew", resource=self.spec.resource.plural, why=str(error))
                    self._resume_from = ""
                    if before:
                        continue
                    # The fresh list is too old already. Wait before the next one, or the watch would only list.
                failures = failures + 1 if self._resume_from == before else 1
                delay_s = min(_RETRY_CAP_S, 0.2 * 2 ** min(failures, 10)) * random.uniform(0.8, 1.2)
                _log.warning(
                    "watch failed",
                    watch=self.name,
                    error=str(error),
                    retry_in_s=round(delay_s, 1),
                )
                await self.sleep(delay_s)

    def apply_write(self, obj: Object) -> None:
        """Store the object from the API server's answer to a write of ours, ahead of the watch.

        Otherwise the next pass would see the resource from before our own write.
        """
        meta = obj["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            # The object is being deleted and has no finalizer left, so it is gone now.
            self._gone.add(meta["uid"])
            self._store(_name(obj), None)
        else:
            self._store(_name(obj), self.spec.transform(obj))

    async def _relist(self) -> None:
        items, version = await self.client.list_all(*self.spec.collection, self.spec.transform)
        self._hear()
        listed = {_name(item): item for item in items}
        self._gone.clear()
        for name in self.objects.keys() - listed.keys():
            self._store(name, None)
        for name, item in listed.items():
            self._store(name, item)
        self._resume_from = version
        self.synced.set()

    async def _follow(self) -> None:
        """Apply changes until the request ends."""
        stream = self.client.watch(
            self.spec.resource,
            self.spec.namespace,
            self.spec.selector,
            self._resume_from,
            self.timeout_s,
            self.silence_s,
            self._hear,
            self.spec.fields,
        )
        async for event in stream:
            self._apply(event)
            self._resume_from = event.object["metadata"]["resourceVersion"]

    def _hear(self) -> None:
        self._heard_at = self.now()

    def _apply(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK":
            return
        uid = event.object["metadata"]["uid"]
        if event.type == "DELETED":
            stored = self.objects.get(_name(event.object))
            if stored is None or stored["metadata"]["uid"] == uid:
                self._store(_name(event.object), None)
            self._gone.discard(uid)
        elif uid not in self._gone:
            self._store(_name(event.object), self.spec.transform(event.object))

    def _store(self, name: tuple[str, str], new: Object | None) -> None:
        old = self.objects.get(name)
        if old is not None and new is not None and _is_older(new, old):
            return
        if new is None:
            self.objects.pop(name, None)
            if old is None:
                return
        else:
            self.objects[name] = new
        if old is None or new is None or _version(old) != _version(new):
            self.on_change(old, new)


def _name(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _version(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta["uid"], meta["resourceVersion"]


def _is_older(one: Object, other: Object) -> bool:
    """Whether `one` is an earlier version of the same object. (API servers count resourceVersions upwards.)"""
    (uid, version), (other_uid, other_version) = _version(one), _version(other)
    return uid == other_uid and int(version) < int(other_version)
