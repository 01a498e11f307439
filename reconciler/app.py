"""The running reconciler: watches fill the world and the queue, workers empty the queue."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from crds.resources import NAMESPACE
from reconciler import metrics, wall_clock
from reconciler.act import Actor
from reconciler.cluster import Cluster, ClusterError, connect
from reconciler.engine import Engine, EngineError
from reconciler.engine_access import find_access, write_config
from reconciler.engine_keys import load_or_make_keys
from reconciler.engine_setup import find_engine, start_engine
from reconciler.events import Recorder
from reconciler.garbage import spare_what_is_there
from reconciler.health import Health, Limits
from reconciler.leader import LEASE_NAME, Leader, LeaseLost
from reconciler.lease import LeaseTimes
from reconciler.queue import Lane, WorkQueue
from reconciler.reconcile import Reconciler
from reconciler.run_dir import own_run_dir
from reconciler.serving import ServerError, serving
from reconciler.settings import Settings
from reconciler.state import StateStore
from reconciler.state_alarms import StateAlarms
from reconciler.vault import vault_of
from reconciler.watchdog import Watchdog
from reconciler.watches import Watches

_log = structlog.get_logger()
# After a signal. What the engine leaves behind then, the watchdog ends.
_STOP_DEADLINE_S = 15.0


async def run(settings: Settings) -> None:
    """Run the reconciler until SIGTERM or SIGINT.

    Raises ClusterError, EngineError or ServerError if it cannot start, LeaseLost when another is to lead; alone
    or in a group.
    """
    installed = find_engine(settings)
    times = LeaseTimes(settings.lease_duration_s, settings.lease_renew_deadline_s, settings.lease_retry_s)
    access = find_access(os.environ) if settings.fence_engine else None
    upstream = access.address if access is not None else None
    kubeconfig = settings.run_dir / "kubeconfig"
    with own_run_dir(settings.run_dir) as token, closing(Watchdog(upstream)) as watchdog:
        if access is not None:
            write_config(access, watchdog.port, kubeconfig)
        start = partial(start_engine, settings, installed, kubeconfig if access is not None else None)
        health = Health(Limits.of(settings))
        async with serving(settings.http_host, settings.http_port, health), connect() as lease_cluster:
            leader = Leader(lease_cluster, settings.namespace, f"{_host()}_{token}", times, watchdog.feed)
            try:
                async with connect(leader.fence) as cluster:
                    await _until_signalled(_serve(settings, start, cluster, leader, health))
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
    settings: Settings,
    start: Callable[[], AbstractContextManager[Engine]],
    cluster: Cluster,
    leader: Leader,
    health: Health,
) -> None:
    """Watch from the beginning, so that the work can start at once when this process is to lead.

    start: starts the engine.
    """
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
        lease = group.create_task(watches.lease(LEASE_NAME, leader.lease_changed).run())
        await leader.elected.wait()
        lease.cancel()
        # Not before, for the engine's processes take most of the memory.
        with start() as engine:
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
            spare_what_is_there()
            _log.info("leading", holder=term.holder, epoch=list(term.epoch), resources=len(queue))
            group.create_task(wall_clock.follow(watches.wake_all))
            group.create_task(watches.run_flavor_views())
            try:
                await _work(reconciler, settings.workers)
            finally:
                _log.info("work stopped")


def run_until_end(settings: Settings) -> int:
    """Run the reconciler; the exit code: 0 after SIGTERM or Ctrl-C, 1 if it cannot run or leads no more."""
    spare_what_is_there()
    code = 0
    try:
        asyncio.run(run(settings))
    except* (ClusterError, EngineError, ServerError, LeaseLost) as group:
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
