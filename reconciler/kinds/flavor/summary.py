"""Summaries of flavors: whether their pods fit on a node, and how many DevServers use them.

Nodes, pods, DevServers and flavors change in bursts. So each summary is computed at most once per interval. If it
changed, the flavor gets a pass, which writes the status.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from crds.resources import DEVSERVER, FLAVOR
from reconciler.kinds.flavor.debounce import Debouncer
from reconciler.kinds.flavor.lookup import flavor_spec
from reconciler.kinds.flavor.metrics import SCHEDULABLE_LOOKS
from reconciler.kinds.flavor.scheduling.capacity import Capacity, relevant
from reconciler.kinds.flavor.scheduling.fit import Fit, fit
from reconciler.kinds.flavor.scheduling.node_info import NodeInfo, node_infos
from reconciler.kinds.flavor.scheduling.pod_info import PodInfo, PodRefusedError, pod_info
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Object
from reconciler.status import reasons
from reconciler.status.errors import StalledError

_log = structlog.get_logger()
# Each flavor's summary is computed at most once in this time.
INTERVAL_S = 2.0


@dataclass(frozen=True)
class FlavorSummary:
    """Summary of a flavor. devservers: how many use it. pending_restarts: how many of them wait for a restart."""

    fit: Fit
    devservers: int = 0
    pending_restarts: int = 0


@dataclass(frozen=True)
class Use:
    """Which flavor a DevServer uses, and whether a restart is pending that applies the flavor's changes."""

    flavor: str | None
    pending_restart: bool


def use(devserver: Object) -> Use:
    """The DevServer's use of a flavor: the one that it names, or the default one that it got."""
    status = devserver.get("status") or {}
    pending = any(item["type"] == reasons.RESTART_PENDING for item in status.get("conditions") or [])
    return Use(devserver.get("spec", {}).get("flavor") or status.get("flavor"), pending)


def summaries(cache: Cache, capacity: Capacity, names: Iterable[str]) -> Iterator[tuple[str, FlavorSummary]]:
    """The summaries of those of these flavors that exist. Goes through nodes, pods and DevServers once for all."""
    uses = [use(devserver) for devserver in cache.resources[DEVSERVER.kind].values()]
    users = Counter(item.flavor for item in uses)
    pending = Counter(item.flavor for item in uses if item.pending_restart)
    fits = _Fits(capacity)
    for name in names:
        flavor = cache.resources[FLAVOR.kind].get(("", name))
        if flavor is not None:
            yield name, FlavorSummary(fits.of(flavor), users[name], pending[name])


class _Fits:
    """Computes which flavors' pods fit. All have the same priority, so one list of nodes serves them all."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._node_infos: list[NodeInfo] | None = None

    def of(self, flavor: Object) -> Fit:
        """Whether pods of the flavor fit on a node."""
        try:
            needed = pod_info(flavor_spec(flavor), self._capacity)
        except PodRefusedError as error:
            return Fit("No", error.reason, error.message)
        except StalledError as error:
            return Fit("Unknown", error.reason, error.message)
        except ValueError as error:
            return Fit("Unknown", reasons.UNREADABLE_QUANTITY, f"{error}.")
        pools = sorted(
            (relevant(obj) for obj in self._capacity.node_pools.values()), key=lambda pool: pool.name
        )
        return fit(needed, self._nodes_for(needed), pools)

    def _nodes_for(self, needed: PodInfo) -> list[NodeInfo]:
        if self._node_infos is None:
            self._node_infos = node_infos(self._capacity, needed.priority, needed.preempts)
        return self._node_infos


@dataclass
class FlavorSummaries:
    """The summaries of all flavors, kept up to date.

    clock: monotonic, in seconds.
    refresh_s: seconds between computations of every summary, even if nothing changed.
    """

    cache: Cache
    capacity: Capacity
    clock: Callable[[], float]
    refresh_s: float
    _summaries: dict[str, FlavorSummary] = field(default_factory=dict)
    _touched_all: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._debouncer = Debouncer(self.clock, INTERVAL_S)

    def of(self, name: str) -> FlavorSummary | None:
        """The flavor's summary; None until it is computed for the first time."""
        return self._summaries.get(name)

    def touch(self, name: str) -> None:
        """Request a new summary of this flavor, because something that it depends on changed."""
        self._debouncer.touch(name)
        self._changed.set()

    def touch_all(self) -> None:
        """Request new summaries of all flavors, because something that they depend on changed."""
        self._touched_all = True
        self._changed.set()

    def forget(self, name: str) -> None:
        """Forget a flavor that is gone."""
        self._debouncer.forget(name)
        self._summaries.pop(name, None)

    async def run(self, changed: Callable[[str], None]) -> None:
        """Compute summaries when they are due, until cancelled. changed: called with each flavor that got a new one."""
        refresh_at = self.clock()
        while True:
            if self.clock() >= refresh_at:
                refresh_at = self.clock() + self.refresh_s
                self.touch_all()
            try:
                await self.work(changed)
            except Exception:
                # One strange object must not end the operator. The next refresh tries again.
                _log.exception("looking at flavors failed")
            next_s = self._debouncer.next_s()
            left_s = refresh_at - self.clock()
            try:
                async with asyncio.timeout(left_s if next_s is None else min(left_s, next_s)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def work(self, changed: Callable[[str], None]) -> None:
        """Compute the summaries that are due."""
        self._changed.clear()
        if self._touched_all:
            self._touched_all = False
            for _, name in self.cache.resources[FLAVOR.kind]:
                self._debouncer.touch(name)
        due = self._debouncer.take()
        if not due:
            # Most wake-ups come within the interval. They must not go through all DevServers for nothing.
            return
        for name, summary in summaries(self.cache, self.capacity, due):
            SCHEDULABLE_LOOKS.inc()
            if summary != self._summaries.get(name):
                self._summaries[name] = summary
                changed(name)
            # With many flavors and nodes this takes a while. Let other tasks run in between.
            await asyncio.sleep(0)
