"""The running reconciler. Watches fill the cache and the queue; workers empty the queue. Only this module knows all."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from crds.resources import NAMESPACE
from reconciler.controller import metrics, wall_clock
from reconciler.controller.actions import Actions
from reconciler.controller.kind import Kind
from reconciler.controller.reconcile import Reconciler
from reconciler.controller.watches import Watches
from reconciler.controller.workqueue import Lane, WorkQueue
from reconciler.engine import metrics as engine_metrics
from reconciler.engine.engine import Engine
from reconciler.engine.external_store import external_store_of
from reconciler.engine.kubeconfig import find_access, write_config
from reconciler.engine.outcome import EngineError
from reconciler.engine.processes.process_tree import ENVIRONMENT_MARK
from reconciler.engine.run_dir import own_run_dir
from reconciler.engine.setup import find_engine, start_engine
from reconciler.gc_tuning import spare_what_is_there
from reconciler.kinds.registry import KINDS, KindClasses, build_kinds, resources_of
from reconciler.kube.cache import Cache
from reconciler.kube.client import ApiError, Client, connect
from reconciler.kube.recorder import Recorder
from reconciler.leaderelection.leader import Leader
from reconciler.leaderelection.lease import LEASE_NAME, LeaseLostError, LeaseTimes
from reconciler.leaderelection.watchdog import Watchdog
from reconciler.settings import Settings
from reconciler.state import metrics as state_metrics
from reconciler.state.alerts import StateAlerts
from reconciler.state.encryption_keys import load_or_make_keys
from reconciler.state.index import StateIndex
from reconciler.state.run_claim import term_of
from reconciler.state.store import StateStore
from reconciler.telemetry.health import Health, Limits
from reconciler.telemetry.metrics import REGISTRY
from reconciler.telemetry.server import ServerError, serving

_log = structlog.get_logger()
# The time to stop after a signal. The watchdog ends what the engine leaves behind.
_STOP_DEADLINE_S = 15.0


async def run(settings: Settings, kinds: KindClasses) -> None:
    """Run the reconciler for these kinds until SIGTERM or SIGINT.

    Raises ApiError, EngineError or ServerError if it cannot start, LeaseLostError if it may no longer lead. The error
    may come in an exception group.
    """
    for register in (metrics.register_kinds, engine_metrics.register_kinds):
        register(kind.resource.kind for kind in kinds)
    installed = find_engine(settings)
    times = LeaseTimes(settings.lease_duration_s, settings.lease_renew_deadline_s, settings.lease_retry_s)
    access = find_access(os.environ) if settings.fence_engine else None
    upstream = access.address if access is not None else None
    kubeconfig = settings.run_dir / "kubeconfig"
    with own_run_dir(settings.run_dir) as token, closing(Watchdog(ENVIRONMENT_MARK, upstream)) as watchdog:
        if access is not None:
            write_config(access, watchdog.port, kubeconfig)
        start = partial(start_engine, settings, installed, kubeconfig if access is not None else None)
        health = Health(Limits.of(settings))
        async with serving(settings.http_host, settings.http_port, health), connect() as lease_cluster:
            leader = Leader(lease_cluster, settings.namespace, f"{_host()}_{token}", times, watchdog.feed)
            try:
                async with connect(leader.fence) as client:
                    await _until_signalled(_serve(settings, kinds, start, client, leader, health))
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
            # Whatever delays the end, this process must not go on leading.
            asyncio.get_running_loop().call_later(_STOP_DEADLINE_S, os._exit, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise


@dataclass(frozen=True)
class _Parts:
    """The parts that exist from the beginning, whether or not this process leads."""

    settings: Settings
    client: Client
    leader: Leader
    health: Health
    cache: Cache
    kinds: Mapping[str, Kind[Any, Any]]
    queue: WorkQueue
    watches: Watches


async def _serve(
    settings: Settings,
    kinds: KindClasses,
    start: Callable[[], AbstractContextManager[Engine]],
    client: Client,
    leader: Leader,
    health: Health,
) -> None:
    """Watch from the beginning, so that work starts at once when this process becomes the leader.

    start: starts the engine.
    """
    system = await client.get(NAMESPACE, "", "kube-system")
    if system is None:
        raise ApiError(404, "NotFound", "there is no namespace kube-system, whose uid names the cluster")
    # However slow one namespace is, it leaves as many workers to the others as there may be runs at a time.
    run_share = max(1, settings.workers - settings.concurrent_runs)
    queue = WorkQueue(time.monotonic, settings.retry_base_s, settings.retry_cap_s, run_share)
    cache = Cache(resources_of(kinds))
    built = build_kinds(kinds, cache, settings, system["metadata"]["uid"])
    watches = Watches(client, settings, queue, cache, built)
    parts = _Parts(settings, client, leader, health, cache, built, queue, watches)
    _expose(parts)
    synced = asyncio.Event()

    def watching() -> None:
        _log.info("watching", resources=len(queue))
        synced.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(leader.run())
        group.create_task(watches.run(watching))
        lease = group.create_task(watches.open(leader.watch_spec()).run())
        await leader.elected.wait()
        lease.cancel()
        # The engine starts only now, because its processes take most of the memory.
        with start() as engine:
            await _lead(parts, engine, synced, group)


async def _lead(parts: _Parts, engine: Engine, synced: asyncio.Event, group: asyncio.TaskGroup) -> None:
    """Work, once all first lists have arrived. synced: set when those of the watches that run already have."""
    settings, client, leader, watches = parts.settings, parts.client, parts.leader, parts.watches
    parts.health.runs = engine.run_seconds
    recorder = Recorder(client, _host())
    keys = await load_or_make_keys(client, engine.make_salt, settings.namespace, recorder)
    external = external_store_of(engine, keys)
    states = StateStore(client, settings.namespace, keys.salt, lambda: term_of(leader.lease), external)
    index = StateIndex(parts.kinds, keys.salt, outlines=external is not None)
    state_metrics.STATE_BYTES.set_function(lambda: index.packed_bytes)
    states_read = asyncio.Event()
    states_watch = watches.open(index.watch_spec(settings.namespace))
    group.create_task(watches.follow(states_watch, states_read.set))
    actions = Actions(
        client=client,
        engine=engine,
        keys=keys,
        states=states,
        cache=parts.cache,
        kinds=parts.kinds,
        settings=settings,
        recorder=recorder,
        alerts=StateAlerts(recorder, parts.cache.resource),
        apply_write=watches.apply_write,
        apply_state=states_watch.apply_write,
    )
    reconciler = Reconciler(actions, parts.queue, index, now=lambda: datetime.now(UTC))
    watches.unblock = reconciler.retry_now
    client.on_return = reconciler.cluster_returned
    await synced.wait()
    await states_read.wait()
    term = term_of(leader.lease)
    spare_what_is_there()
    _log.info("leading", holder=term.holder, epoch=list(term.epoch), resources=len(parts.queue))
    group.create_task(wall_clock.follow(watches.enqueue_all))
    for kind in parts.kinds.values():
        group.create_task(kind.run(parts.queue.add))
    try:
        await _work(reconciler, settings.workers)
    finally:
        _log.info("work stopped")


def run_until_end(settings: Settings, kinds: KindClasses = KINDS) -> int:
    """Run the reconciler. Returns the exit code: 0 after SIGTERM or Ctrl-C, 1 if it cannot run or lost the Lease."""
    spare_what_is_there()
    code = 0
    try:
        asyncio.run(run(settings, kinds))
    except* (ApiError, EngineError, ServerError, LeaseLostError) as group:
        for cause in _leaves(group):
            print(f"reconciler: {cause}", file=sys.stderr)
        code = 1
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _expose(parts: _Parts) -> None:
    """Connect metrics and health to their sources, which they read on each request."""
    watches, queue, health = parts.watches, parts.queue, parts.health
    REGISTRY.register(queue.meter)
    metrics.CLOCK_OFFSET.set_function(lambda: parts.client.clock_offset_s)
    metrics.LEADER.labels(LEASE_NAME).set_function(parts.leader.elected.is_set)
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
