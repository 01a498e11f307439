"""The kind DevServerFlavor. Its methods answer the loop with the modules beside this one."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

from crds import DevServerFlavor
from crds.resources import CHILD_RESOURCES, DEVSERVER, FLAVOR
from reconciler.controller.kind import Follow, Kind
from reconciler.kinds.first_digest import first_digest
from reconciler.kinds.flavor.inputs import flavor_inputs
from reconciler.kinds.flavor.lookup import default_flavor
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.summary import FlavorSummaries, use
from reconciler.kinds.flavor.watches import CapacityWatches
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Key, Object, is_deleting, wanted_of
from reconciler.kube.watch import WatchSpec
from reconciler.settings import Settings
from reconciler.status import reasons
from reconciler.status.conditions import ConditionState, StatusPatch
from stacks import flavor
from stacks.declarations import Program
from stacks.flavor import DevServerFlavorInputs

SCHEDULABLE = "Schedulable"
DEFAULT_FLAVOR = "DefaultFlavor"
_CONDITION_STATUS: dict[str, Literal["True", "False", "Unknown"]] = {
    "Yes": "True",
    "AUTOSCALED": "True",
    "No": "False",
    "Unknown": "Unknown",
}


class FlavorKind(Kind[DevServerFlavor, DevServerFlavorInputs]):
    """DevServerFlavors: the size and placement of DevServers, and prewarming for a quick first start.

    clock: monotonic, in seconds.
    """

    resource = FLAVOR
    model = DevServerFlavor
    child_resources = tuple(
        CHILD_RESOURCES[kind] for kind in (("apps/v1", "DaemonSet"), ("apps/v1", "Deployment"))
    )

    def __init__(
        self,
        cache: Cache,
        settings: Settings,
        cluster_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(cache, settings, cluster_id)
        capacity = Capacity()
        self.summaries = FlavorSummaries(cache, capacity, clock, settings.schedulable_refresh_s)
        self._capacity = CapacityWatches(capacity, self.summaries.touch_all)

    def inputs(self, resource: Object, model: DevServerFlavor, now: datetime) -> DevServerFlavorInputs:
        """See inputs.py."""
        return flavor_inputs(self.settings, self.cluster_id, resource, model)

    def program(self, inputs: DevServerFlavorInputs) -> Program:
        """See stacks/flavor.py."""
        return flavor.program(inputs)

    def earlier_digest(self, inputs: DevServerFlavorInputs) -> str | None:
        """See first_digest.py."""
        return first_digest(inputs)

    def conditions(
        self, resource: Object, model: DevServerFlavor | None, ends: datetime | None, now: datetime
    ) -> StatusPatch:
        """Whether its pods fit on a node, how many DevServers use it, whether it is the default."""
        conditions = {DEFAULT_FLAVOR: self._default(resource)}
        summary = self.summaries.of(resource["metadata"]["name"])
        if summary is None:
            return StatusPatch(conditions=conditions)
        fit = summary.fit
        fields: dict[str, Any] = {
            "schedulable": fit.answer,
            "fittingNodes": fit.fitting_nodes,
            "devServers": summary.devservers,
            "pendingRestarts": summary.pending_restarts,
        }
        schedulable = ConditionState(SCHEDULABLE, _CONDITION_STATUS[fit.answer], fit.reason, fit.message)
        return StatusPatch(fields, {**conditions, SCHEDULABLE: schedulable})

    def watches(self) -> Iterable[WatchSpec]:
        """The watches of everything that a flavor's status depends on."""
        yield WatchSpec(FLAVOR, (self._flavor_changed,))
        yield WatchSpec(DEVSERVER, (self._use_changed,))
        yield from self._capacity.specs()

    async def follow(self, follow: Follow) -> None:
        """Follow NodePools while the API server serves them."""
        await self._capacity.follow_node_pools(follow)

    async def run(self, enqueue: Callable[[Key], None]) -> None:
        """Keep the summaries up to date. (Only the leader needs them, because only it writes status.)"""
        await self._capacity.settled()
        await self.summaries.run(lambda name: enqueue(Key(FLAVOR.kind, "", name)))

    def _flavor_changed(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        if wanted_of(old) == wanted_of(new):
            return
        name = (new or old or {})["metadata"]["name"]
        if new is None:
            self.summaries.forget(name)
        else:
            self.summaries.touch(name)
        # Another flavor may be the default now.
        for (_, other), found in self.cache.resources[FLAVOR.kind].items():
            if found.get("spec", {}).get("default") is True:
                yield Key(FLAVOR.kind, "", other)

    def _use_changed(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        before, after = (use(devserver) if devserver is not None else None for devserver in (old, new))
        if before != after:
            for name in {item.flavor for item in (before, after) if item is not None and item.flavor}:
                self.summaries.touch(name)
        return ()

    def _default(self, resource: Object) -> ConditionState | None:
        if resource.get("spec", {}).get("default") is not True or is_deleting(resource):
            return None
        winner = default_flavor(self.cache)
        if winner is None or winner["metadata"]["name"] == resource["metadata"]["name"]:
            message = "DevServers that name no flavor take this one."
            return ConditionState(DEFAULT_FLAVOR, "True", reasons.OLDEST_DEFAULT, message)
        message = (
            f"spec.default: DevServerFlavor {winner['metadata']['name']} is an older default flavor and is used "
            "instead. Set spec.default to false in one of the two."
        )
        return ConditionState(DEFAULT_FLAVOR, "False", reasons.OLDER_DEFAULT_EXISTS, message, warns=True)
