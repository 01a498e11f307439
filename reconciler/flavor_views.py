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
from reconciler import metrics, reasons
from reconciler.capacity import Capacity, seen
from reconciler.cluster import Object
from reconciler.debounce import Debouncer
from reconciler.demand import Demand, Refused, demand
from reconciler.errors import Stalled
from reconciler.gather import default_flavor, is_deleting, parsed
from reconciler.queue import Key
from reconciler.resources import DEVSERVER, FLAVOR
from reconciler.rooms import Room, rooms
from reconciler.schedulable import Verdict, verdict
from reconciler.shown import Shown, Stated
from reconciler.world import FlavorView, World

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


def views(world: World, names: Iterable[str]) -> Iterator[tuple[str, FlavorView]]:
    """How it stands with these flavors, those that exist. Nodes, pods and DevServers are gone through once for all."""
    uses = [use(devserver) for devserver in world.resources[DEVSERVER.kind].values()]
    users = Counter(item.flavor for item in uses)
    pending = Counter(item.flavor for item in uses if item.pending_restart)
    judge = _Judge(world.capacity)
    for name in names:
        flavor = world.resources[FLAVOR.kind].get(("", name))
        if flavor is not None:
            yield name, FlavorView(judge.verdict(flavor), users[name], pending[name])


class _Judge:
    """Finds verdicts. All flavors' pods have one priority, so the room on the nodes is one for all."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._rooms: list[Room] | None = None

    def verdict(self, flavor: Object) -> Verdict:
        """Whether pods of the flavor find room."""
        try:
            asked = demand(parsed(DevServerFlavor, flavor).spec, self._capacity)
        except Refused as error:
            return Verdict("No", error.reason, error.message)
        except Stalled as error:
            return Verdict("Unknown", error.reason, error.message)
        except ValueError as error:
            return Verdict("Unknown", reasons.UNREADABLE_QUANTITY, f"{error}.")
        pools = sorted((seen(obj) for obj in self._capacity.node_pools.values()), key=lambda pool: pool.name)
        return verdict(asked, self._of(asked), pools)

    def _of(self, asked: Demand) -> list[Room]:
        if self._rooms is None:
            self._rooms = rooms(self._capacity, asked.priority, asked.preempts)
        return self._rooms


def shows(world: World, key: Key, flavor: Object) -> Shown:
    """What a flavor's status says of it."""
    conditions = {DEFAULT_FLAVOR: _default(world, key, flavor)}
    view = world.flavor_views.get(key.name)
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


def _default(world: World, key: Key, flavor: Object) -> Stated | None:
    if flavor.get("spec", {}).get("default") is not True or is_deleting(flavor):
        return None
    winner = default_flavor(world)
    if winner is None or winner["metadata"]["name"] == key.name:
        return Stated("True", reasons.OLDEST_DEFAULT, "DevServers that name no flavor take this one.")
    message = (
        f"spec.default: DevServerFlavor {winner['metadata']['name']} is an older default flavor and is used "
        "instead. Set spec.default to false in one of the two."
    )
    return Stated("False", reasons.OLDER_DEFAULT_EXISTS, message, warns=True)


@dataclass
class FlavorViews:
    """Keeps world.flavor_views up to date.

    wake: called with the name of a flavor whose view changed. clock: monotonic, in seconds.
    refresh_s: after this time every flavor is looked at whether or not something happened.
    """

    world: World
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
        self.world.flavor_views.pop(name, None)

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
            for _, name in self.world.resources[FLAVOR.kind]:
                self._debouncer.touch(name)
        for name, view in views(self.world, self._debouncer.take()):
            metrics.SCHEDULABLE_LOOKS.inc()
            if view != self.world.flavor_views.get(name):
                self.world.flavor_views[name] = view
                self.wake(name)
            # With many flavors and nodes this takes a while: others have their turn between.
            await asyncio.sleep(0)
