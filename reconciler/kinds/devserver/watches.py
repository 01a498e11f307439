"""The watches of Events that tell why a pod does not start, and whom they wake."""

from collections.abc import Callable

from crds.resources import CORE_EVENT, POD
from reconciler.kinds.devserver.pod import events as pod_events
from reconciler.kinds.flavor.watches import MakeWatch
from reconciler.kube.cache import Cache
from reconciler.kube.client import Object


class EventWatches:
    """Fills world.pod_events.

    wake: has the DevServer of that namespace and name looked at, if there is one. by_reason: what is to be followed.
    """

    def __init__(self, make: MakeWatch, cache: Cache, wake: Callable[[str, str], None]) -> None:
        self._cache = cache
        self._wake = wake
        self.by_reason = {
            reason: make(
                CORE_EVENT,
                self._told,
                name=f"events-{reason}",
                fields=pod_events.selector(reason, kind),
                transform=pod_events.essence,
            )
            for reason, kind in pod_events.FOLLOWED.items()
        }

    def _told(self, old: Object | None, new: Object | None) -> None:
        kind, namespace, name = self._cache.pod_events.change(old, new)
        if kind == POD.kind:
            self._wake_of_pod(namespace, name)
            return
        for (where, pod_name), pod in self._cache.pods.items():
            if where == namespace and name in pod_events.claims(pod):
                self._wake_of_pod(where, pod_name)

    def _wake_of_pod(self, namespace: str, pod: str) -> None:
        self._wake(namespace, pod.removesuffix("-0"))
