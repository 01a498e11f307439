"""How it stands with the flavors: room for their pods, who uses them, which one is the default.

Nodes, pods, DevServers and flavors change in bursts, so each flavor is looked at once in a while, whatever happens; a
flavor whose view changed is woken, and its pass writes the status.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from crds import DevServerFlavor
from crds.resources import DEVSERVER, FLAVOR
from reconciler.controller.workqueue import Key
from reconciler.kinds.devserver.inputs import default_flavor, is_deleting, parsed
from reconciler.kinds.flavor.debounce import Debouncer
from reconciler.kinds.flavor.scheduling.capacity import Capacity, relevant
from reconciler.kinds.flavor.scheduling.fit import Fit, fit
from reconciler.kinds.flavor.scheduling.node_info import NodeInfo, node_infos
from reconciler.kinds.flavor.scheduling.pod_info import PodInfo, PodRefusedError, pod_info
from reconciler.kube.cache import Cache, FlavorSummary
from reconciler.kube.client import Object
from reconciler.status import reasons
from reconciler.status.conditions import Shown, Stated
from reconciler.status.errors import StalledError
from reconciler.telemetry import metrics

_log = structlog.get_logger()
SCHEDULABLE = "Schedulable"
DEFAULT_FLAVOR = "DefaultFlavor"
# A flavor is looked at at most once in this time.
INTERVAL_S = 2.0
_CONDITION_STATUS: dict[str, Literal["True", "False", "Unknown"]] = {
    "Yes": "True",
    "AUTOSCALED": "True",
    "No": "False",
    "Unknown": "Unknown",
}


@dataclass(frozen=True)
class Use:
    """Which flavor a DevServer uses, and whether it waits for a restart to be as the flavor says."""

    flavor: str | None
    pending_restart: bool


def use(devserver: Object) -> Use:
    """The flavor that the DevServer names, or the default one that it got."""
    status = devserver.get("status") or {}
    pending = any(item["type"] == reasons.RESTART_PENDING for item in status.get("conditions") or [])
    return Use(devserver.get("spec", {}).get("flavor") or status.get("flavor"), pending)


def views(cache: Cache, names: Iterable[str]) -> Iterator[tuple[str, FlavorSummary]]:
    """How it stands with these flavors, those that exist. Nodes, pods and DevServers are gone through once for all."""
    uses = [use(devserver) for devserver in cache.resources[DEVSERVER.kind].values()]
    users = Counter(item.flavor for item in uses)
    pending = Counter(item.flavor for item in uses if item.pending_restart)
    judge = _Judge(cache.capacity)
    for name in names:
        flavor = cache.resources[FLAVOR.kind].get(("", name))
        if flavor is not None:
            yield name, FlavorSummary(judge.fit(flavor), users[name], pending[name])


class _Judge:
    """Finds out which flavors' pods fit. They all have one priority, so one list of nodes serves them all."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._node_infos: list[NodeInfo] | None = None

    def fit(self, flavor: Object) -> Fit:
        """Whether pods of the flavor fit on a node."""
        try:
            needed = pod_info(parsed(DevServerFlavor, flavor).spec, self._capacity)
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


def shows(cache: Cache, key: Key, flavor: Object) -> Shown:
    """What a flavor's status says of it."""
    conditions = {DEFAULT_FLAVOR: _default(cache, key, flavor)}
    view = cache.flavor_views.get(key.name)
    if view is None:
        return Shown(conditions=conditions)
    judged = view.verdict
    fields: dict[str, Any] = {
        "schedulable": judged.answer,
        "fittingNodes": judged.fitting_nodes,
        "devServers": view.devservers,
        "pendingRestarts": view.pending_restarts,
    }
    stated = Stated(_CONDITION_STATUS[judged.answer], judged.reason, judged.message)
    return Shown(fields, {**conditions, SCHEDULABLE: stated})


def _default(cache: Cache, key: Key, flavor: Object) -> Stated | None:
    if flavor.get("spec", {}).get("default") is not True or is_deleting(flavor):
        return None
    winner = default_flavor(cache)
    if winner is None or winner["metadata"]["name"] == key.name:
        return Stated("True", reasons.OLDEST_DEFAULT, "DevServers that name no flavor take this one.")
    message = (
        f"spec.default: DevServerFlavor {winner['metadata']['name']} is older and is taken in its place; set "
        "spec.default to false in one of the two."
    )
    return Stated("False", reasons.OLDER_DEFAULT_EXISTS, message, warns=True)


@dataclass
class FlavorSummaries:
    """Keeps world.flavor_views up to date.

    wake: called with the name of a flavor whose view changed. clock: monotonic, in seconds.
    refresh_s: after this time every flavor is looked at whether or not something happened.
    """

    cache: Cache
    wake: Callable[[str], None]
    clock: Callable[[], float]
    refresh_s: float
    _touched_all: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._debouncer = Debouncer(self.clock, INTERVAL_S)

    def touch(self, name: str) -> None:
        """Something that this flavor's view depends on has changed."""
        self._debouncer.touch(name)
        self._changed.set()

    def touch_all(self) -> None:
        """Something that every flavor's view depends on has changed."""
        self._touched_all = True
        self._changed.set()

    def forget(self, name: str) -> None:
        """The flavor is gone."""
        self._debouncer.forget(name)
        self.cache.flavor_views.pop(name, None)

    async def run(self) -> None:
        """Look at flavors when they are due, until cancelled."""
        refresh_at = self.clock()
        while True:
            if self.clock() >= refresh_at:
                refresh_at = self.clock() + self.refresh_s
                self.touch_all()
            try:
                await self.work()
            except Exception:
                # One odd object must not end the operator; the flavors are looked at again in a while.
                _log.exception("looking at flavors failed")
            next_s = self._debouncer.next_s()
            left_s = refresh_at - self.clock()
            try:
                async with asyncio.timeout(left_s if next_s is None else min(left_s, next_s)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def work(self) -> None:
        """Look at the flavors that are due."""
        self._changed.clear()
        if self._touched_all:
            self._touched_all = False
            for _, name in self.cache.resources[FLAVOR.kind]:
                self._debouncer.touch(name)
        for name, view in views(self.cache, self._debouncer.take()):
            metrics.SCHEDULABLE_LOOKS.inc()
            if view != self.cache.flavor_views.get(name):
                self.cache.flavor_views[name] = view
                self.wake(name)
            # With many flavors and nodes this takes a while: others have their turn between.
            await asyncio.sleep(0)
