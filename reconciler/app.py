"""The running reconciler: watches fill the world and the queue, workers empty the queue."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from reconciler import metrics, refused_pods, wall_clock
from reconciler.act import Actor
from reconciler.cluster import (
    CHILDREN,
    CORE_EVENT,
    DEVSERVER,
    NAMESPACE,
    POD,
    QUOTA,
    SECRET,
    Cluster,
    ClusterError,
    Object,
    Resource,
    connect,
)
from reconciler.engine_keys import load_or_make_keys
from reconciler.engine_setup import Installed, find_engine, start_engine
from reconciler.errors import ReconcileError
from reconciler.events import Recorder
from reconciler.health import Health, Limits
from reconciler.kinds import KINDS
from reconciler.leader import LEASE_NAME, Leader
from reconciler.lease import LeaseTimes
from reconciler.queue import Key, Lane, WorkQueue
from reconciler.reconcile import Reconciler
from reconciler.relief import gave_way, was_stopped_by_namespace, was_stopped_by_quota
from reconciler.run_dir import own_run_dir
from reconciler.serving import serving
from reconciler.settings import Settings
from reconciler.state import STATE_LABEL, STATE_SELECTOR, StateStore
from reconciler.state_alarms import StateAlarms
from reconciler.vault import vault_of
from reconciler.watch import OnChange, Watch
from reconciler.watchdog import Watchdog
from reconciler.world import World, owner_key
from stacks.metadata import MANAGED_BY_LABEL, MANAGER

_log = structlog.get_logger()
# Without the states, which have a watch of their own.
_MANAGED = f"{MANAGED_BY_LABEL}={MANAGER},!{STATE_LABEL}"


# After a signal. What the engine leaves behind then, the watchdog ends.
_STOP_DEADLINE_S = 15.0

# Which failures something relieved; see Reconciler.retry_now.
Relieved = Callable[[Key, ReconcileError], bool]


class Watches:
    """All watches, and how a change of one object wakes resources.

    relieve: takes note that some failures have lost their cause; set by who leads.
    states: reads the records of states. followed: the watches that should be heard.
    """

    states: StateStore

    def __init__(self, cluster: Cluster, settings: Settings, queue: WorkQueue) -> None:
        self.world = World()
        self.relieve: Callable[[Relieved], None] = lambda is_relieved: None
        self._queue = queue
        self._cluster = cluster
        self._settings = settings
        self._by_resource: dict[Resource, Watch] = {}
        for kind in KINDS.values():
            watch = self._add(kind.resource, self._resource_changed)
            self.world.resources[kind.resource.kind] = watch.objects
        changed = {QUOTA: self._quota_changed, NAMESPACE: self._namespace_changed}
        for resource in CHILDREN:
            # Anyone's quota may stop a run.
            selector = "" if resource == QUOTA else _MANAGED
            watch = self._add(resource, changed.get(resource, self._child_changed), selector)
            self.world.children[(resource.api_version, resource.kind)] = watch.objects
        self.world.pods = self._add(POD, self._pod_changed, selector=_MANAGED).objects
        refusals = self._add(CORE_EVENT, self._pod_refused)
        refusals.fields, refusals.trim = refused_pods.FIELDS, refused_pods.essence
        self._states = self._watch(SECRET, self._state_changed, STATE_SELECTOR, settings.namespace, "states")
        self.followed = list(self._by_resource.values())

    async def run(self, synced: Callable[[], None]) -> None:
        """Follow all but the states until cancelled; `synced` is called once when all first lists are in."""
        await _follow(self._by_resource.values(), synced)

    async def run_states(self, states: StateStore, synced: Callable[[], None]) -> None:
        """Follow the states too. Who leads can read them: keys may have to be made first."""
        self.states = states
        self.followed.append(self._states)
        await _follow([self._states], synced)

    def wake_all(self) -> None:
        """Have every resource looked at: what is due by the clock may be another thing now."""
        for kind, store in self.world.resources.items():
            for namespace, name in store:
                self._queue.add(Key(kind, namespace, name))

    def learn(self, resource: Resource, obj: Object) -> None:
        """Take up the answer to a write of ours. (Written Secrets are states: others are the engine's.)"""
        (self._states if resource == SECRET else self._by_resource[resource]).learn(obj)

    def _add(self, resource: Resource, on_change: OnChange, selector: str = "") -> Watch:
        watch = self._watch(resource, on_change, selector)
        self._by_resource[resource] = watch
        return watch

    def _watch(
        self, resource: Resource, on_change: OnChange, selector: str, namespace: str = "", name: str = ""
    ) -> Watch:
        return Watch(
            cluster=self._cluster,
            resource=resource,
            on_change=on_change,
            timeout_s=self._settings.watch_timeout_s,
            silence_s=self._settings.watch_silence_s,
            namespace=namespace,
            selector=selector,
            name=name,
        )

    def _resource_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        assert obj is not None
        meta = obj["metadata"]
        key = Key(obj["kind"], meta.get("namespace", ""), meta["name"])
        self._queue.add(key)
        if key.kind == "DevServerFlavor" and _spec_of(old) != _spec_of(new):
            self._wake_users_of(key.name)

    def _wake_users_of(self, flavor: str) -> None:
        """A flavor changed: so may what those get that name it, have it or take the default one."""
        for (namespace, name), devserver in self.world.resources["DevServer"].items():
            named = devserver.get("spec", {}).get("flavor")
            if named in (None, flavor) or devserver.get("status", {}).get("flavor") == flavor:
                self._queue.add(Key("DevServer", namespace, name))

    def _child_changed(self, old: Object | None, new: Object | None) -> None:
        for obj in (old, new):
            key = owner_key(obj) if obj is not None else None
            if key is not None:
                self._queue.add(key)

    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        self._child_changed(old, new)
        if old is None or not gave_way(old, new):
            return
        namespace, quota = old["metadata"]["namespace"], old["metadata"]["name"]
        self.relieve(lambda key, error: was_stopped_by_quota(key, error, namespace, quota))
        for (where, name), refusal in self.world.refusals.items():
            if where == namespace and refusal.relieved_by(quota).relieved:
                self.world.refusals[where, name] = refusal.relieved_by(quota)
                self._wake_devserver(where, name)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            # Whatever was refused before, it was made in the end.
            meta = new["metadata"]
            self.world.refusals.pop((meta["namespace"], meta["name"].removesuffix("-0")), None)
        self._child_changed(old, new)

    def _pod_refused(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            (namespace, name), refusal = refused_pods.refusal(new)
            self.world.refusals[namespace, name] = refusal
            self._wake_devserver(namespace, name)
        elif old is not None:
            self.world.refusals.pop(refused_pods.refusal(old)[0], None)

    def _wake_devserver(self, namespace: str, name: str) -> None:
        """Have the DevServer of that name looked at, if there is one: StatefulSets may be anyone's."""
        if (namespace, name) in self.world.resources[DEVSERVER.kind]:
            self._queue.add(Key(DEVSERVER.kind, namespace, name))

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        self._child_changed(old, new)
        if old is not None and new is None:
            name = old["metadata"]["name"]
            self.relieve(lambda key, error: was_stopped_by_namespace(error, name))

    def _state_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        assert obj is not None
        try:
            known = self.states.record(obj)
        except (ValueError, KeyError) as error:
            _log.warning("unreadable state Secret", secret=obj["metadata"]["name"], error=str(error))
            return
        if new is None:
            lives = self.world.states.get(known.id.key, {})
            lives.pop(known.id.uid, None)
            if not lives:
                self.world.states.pop(known.id.key, None)
        else:
            self.world.states.setdefault(known.id.key, {})[known.id.uid] = known
            # The record says it all; the checkpoint itself is large.
            new.pop("data", None)
        self._queue.add(known.id.key)


async def _follow(watches: Collection[Watch], synced: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as group:
        for watch in watches:
            metrics.WATCH_SILENCE.labels(watch.name).set_function(partial(getattr, watch, "silent_s"))
            group.create_task(watch.run())
        for watch in watches:
            await watch.synced.wait()
        synced()


def _spec_of(obj: Object | None) -> object:
    return None if obj is None else (obj["spec"], "deletionTimestamp" in obj["metadata"])


async def run(settings: Settings) -> None:
    """Run the reconciler until SIGTERM or SIGINT.

    Raises ClusterError, EngineError or ServerError if it cannot start, LeaseLost when another is to lead; alone
    or in a group.
    """
    installed = find_engine(settings)
    times = LeaseTimes(settings.lease_duration_s, settings.lease_renew_deadline_s, settings.lease_retry_s)
    with own_run_dir(settings.run_dir) as token, closing(Watchdog()) as watchdog:
        health = Health(Limits.of(settings))
        async with serving(settings.http_host, settings.http_port, health), connect() as lease_cluster:
            leader = Leader(lease_cluster, settings.namespace, f"{_host()}_{token}", times, watchdog.feed)
            try:
                async with connect(leader.fence) as cluster:
                    await _until_signalled(_serve(settings, installed, cluster, leader, health))
            finally:
                await leader.release()


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Run until the work ends; SIGTERM and SIGINT cancel it."""
    task = asyncio.create_task(work)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            _log.info("stopping")
            task.cancel()
            # Whatever holds it up: it must not go on leading.
            asyncio.get_running_loop().call_later(_STOP_DEADLINE_S, os._exit, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise


async def _serve(
    settings: Settings, installed: Installed, cluster: Cluster, leader: Leader, health: Health
) -> None:
    """Watch from the start, so that the work can begin at once when this process is to lead."""
    system = await cluster.get(NAMESPACE, "", "kube-system")
    if system is None:
        raise ClusterError(404, "NotFound", "there is no namespace kube-system, whose uid names the cluster")
    # However slow one namespace is, as many places as there are runs at a time are left to the others.
    run_share = max(1, settings.workers - settings.concurrent_runs)
    queue = WorkQueue(time.monotonic, settings.retry_base_s, settings.retry_cap_s, run_share)
    watches = Watches(cluster, settings, queue)
    _expose(cluster, leader, watches, queue, health)
    synced = asyncio.Event()

    def watching() -> None:
        _log.info("watching", resources=len(queue))
        synced.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(leader.run())
        group.create_task(watches.run(watching))
        await leader.elected.wait()
        # Not before, for the engine's processes take most of the memory.
        with start_engine(settings, installed) as engine:
            health.runs = engine.run_seconds
            recorder = Recorder(cluster, _host())
            keys = await load_or_make_keys(cluster, engine, settings.namespace, recorder)
            vault = vault_of(engine, keys)
            states = StateStore(cluster, settings.namespace, keys.salt, lambda: leader.term, vault)
            states_read = asyncio.Event()
            group.create_task(watches.run_states(states, states_read.set))
            actor = Actor(
                cluster=cluster,
                engine=engine,
                keys=keys,
                states=states,
                world=watches.world,
                settings=settings,
                recorder=recorder,
                alarms=StateAlarms(recorder, watches.world),
                learn=watches.learn,
            )
            reconciler = Reconciler(actor, queue, system["metadata"]["uid"], now=lambda: datetime.now(UTC))
            watches.relieve = reconciler.retry_now
            cluster.on_return = reconciler.cluster_returned
            await synced.wait()
            await states_read.wait()
            term = leader.term
            _log.info("leading", holder=term.holder, epoch=list(term.epoch), resources=len(queue))
            group.create_task(wall_clock.follow(watches.wake_all))
            await _work(reconciler, settings.workers)


def _expose(cluster: Cluster, leader: Leader, watches: Watches, queue: WorkQueue, health: Health) -> None:
    """Let metrics and health read, whenever they are asked for, how things stand."""
    metrics.REGISTRY.register(queue.meter)
    metrics.CLOCK_OFFSET.set_function(lambda: cluster.clock_offset_s)
    metrics.LEADER.labels(LEASE_NAME).set_function(leader.elected.is_set)
    states = watches.world.states
    metrics.STATE_BYTES.set_function(
        lambda: sum(state.packed_bytes for lives in states.values() for state in lives.values())
    )
    health.silences = lambda: {watch.name: watch.silent_s for watch in watches.followed}
    health.unsynced = lambda: (watch.name for watch in watches.followed if not watch.synced.is_set())
    health.longest_pass_s = queue.meter.longest_s


async def _work(reconciler: Reconciler, workers: int) -> None:
    metrics.set_max_concurrent(workers * len(Lane))
    async with asyncio.TaskGroup() as group:
        for lane in Lane:
            for _ in range(workers):
                group.create_task(reconciler.work(lane))


def _host() -> str:
    return os.environ.get("HOSTNAME", socket.gethostname())
