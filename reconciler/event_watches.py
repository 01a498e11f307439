"""The watches of Events that tell why a pod does not start, and whom they wake."""

from collections.abc import Callable

from crds.resources import CORE_EVENT, POD
from reconciler import pod_events
from reconciler.capacity_watches import MakeWatch
from reconciler.cluster import Object
from reconciler.world import World


class EventWatches:
    """Fills world.pod_events.

    wake: has the DevServer of that namespace and name looked at, if there is one. by_reason: what is to be followed.
    """

    def __init__(self, make: MakeWatch, world: World, wake: Callable[[str, str], None]) -> None:
        self._world = world
        self._wake = wake
        self.by_reason = {
            reason: make(
                CORE_EVENT,
                self._told,
                name=f"events-{reason}",
                fields=pod_events.selector(reason, kind),
                trim=pod_events.essence,
            )
            for reason, kind in pod_events.FOLLOWED.items()
        }

    def _told(self, old: Object | None, new: Object | None) -> None:
        kind, namespace, name = self._world.pod_events.change(old, new)
        if kind == POD.kind:
            self._wake_of_pod(namespace, name)
            return
        for (where, pod_name), pod in self._world.pods.items():
            if where == namespace and name in pod_events.claims(pod):
                self._wake_of_pod(where, pod_name)

    def _wake_of_pod(self, namespace: str, pod: str) -> None:
        self._wake(namespace, pod.removesuffix("-0"))
