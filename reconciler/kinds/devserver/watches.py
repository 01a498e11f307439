"""The watches for DevServers alone, and which DevServers a change concerns."""

from collections.abc import Iterable, Iterator

from crds.resources import CORE_EVENT, DEVSERVER, FLAVOR, POD, PVC, QUOTA, STORAGE_CLASS
from reconciler.controller.quotas import quota_freed
from reconciler.controller.watches import MANAGED
from reconciler.kinds.devserver.pod import events, refusals
from reconciler.kinds.devserver.pod.events import PodEvents
from reconciler.kinds.devserver.pod.refusals import Refusal
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Key, Object, Store, labels, wanted_of
from reconciler.kube.watch import WatchSpec
from stacks.metadata import NAME_LABEL, Owner


class DevServerWatches:
    """The stores that only DevServers need.

    pods: the pods of DevServers. storage_classes: by ("", name).
    refusals: refused pods, by (namespace, name) of their StatefulSet. events: PodEvents about pods that exist.
    """

    def __init__(self, cache: Cache) -> None:
        self.pods: Store = {}
        self.storage_classes: Store = {}
        self.refusals: dict[tuple[str, str], Refusal] = {}
        self.events = PodEvents()
        self._cache = cache

    def specs(self) -> Iterator[WatchSpec]:
        """The watches of DevServers."""
        yield WatchSpec(FLAVOR, (self._flavor_changed,))
        yield WatchSpec(QUOTA, (self._quota_changed,))
        yield WatchSpec(POD, (self._pod_changed,), selector=MANAGED, store=self.pods)
        yield WatchSpec(STORAGE_CLASS, (self._storage_class_changed,), store=self.storage_classes)
        yield WatchSpec(
            CORE_EVENT, (self._pod_refused,), fields=refusals.EVENT_SELECTOR, transform=events.reduce_event
        )
        for reason, kind in events.FOLLOWED.items():
            yield WatchSpec(
                CORE_EVENT,
                (self._pod_event,),
                fields=events.selector(reason, kind),
                name=f"events-{reason}",
                transform=events.reduce_event,
            )

    def pod_of(self, owner: Owner) -> Object | None:
        """The DevServer's pod: the only one of its StatefulSet."""
        return self.pods.get((owner.namespace, f"{owner.name}-0"))

    def storage_class_of(self, claim: Object | None) -> Object | None:
        """The StorageClass of a PVC; None if the PVC names none or the class does not exist."""
        name = claim["spec"].get("storageClassName") if claim is not None else None
        return self.storage_classes.get(("", name)) if name else None

    def _flavor_changed(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        """A changed flavor concerns the DevServers that name it, have it now, or name none."""
        if wanted_of(old) == wanted_of(new):
            return
        flavor = (new or old or {})["metadata"]["name"]
        for (namespace, name), devserver in self._cache.resources[DEVSERVER.kind].items():
            named = devserver.get("spec", {}).get("flavor")
            if named in (None, flavor) or devserver.get("status", {}).get("flavor") == flavor:
                yield Key(DEVSERVER.kind, namespace, name)

    def _storage_class_changed(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        """If a StorageClass now allows expansion or no longer does, this concerns the homes of that class."""
        if (old or {}).get("allowVolumeExpansion") == (new or {}).get("allowVolumeExpansion"):
            return
        changed = (new or old or {})["metadata"]["name"]
        for claim in self._cache.children[(PVC.api_version, PVC.kind)].values():
            if claim["spec"].get("storageClassName") == changed:
                owner = self._cache.owner_key(claim)
                if owner is not None:
                    yield owner

    def _pod_changed(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        if new is not None:
            # The pod exists now, so an earlier refusal is over.
            meta = new["metadata"]
            self.refusals.pop((meta["namespace"], meta["name"].removesuffix("-0")), None)
        for pod in (old, new):
            if pod is not None and NAME_LABEL in labels(pod):
                yield Key(DEVSERVER.kind, pod["metadata"]["namespace"], labels(pod)[NAME_LABEL])

    def _pod_refused(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        if new is not None:
            (namespace, name), refusal = refusals.refusal(new)
            self.refusals[namespace, name] = refusal
            return self._devserver(namespace, name)
        if old is not None:
            self.refusals.pop(refusals.refusal(old)[0], None)
        return ()

    def _quota_changed(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        """If a quota has more room than before, the pods that it stopped can be created now."""
        if old is None or not quota_freed(old, new):
            return
        namespace, quota = old["metadata"]["namespace"], old["metadata"]["name"]
        for (where, name), refusal in self.refusals.items():
            if where == namespace and refusal.unblocked_by(quota).unblocked:
                self.refusals[where, name] = refusal.unblocked_by(quota)
                yield from self._devserver(where, name)

    def _pod_event(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        kind, namespace, name = self.events.change(old, new)
        if kind == POD.kind:
            yield from self._of_pod(namespace, name)
            return
        for (where, pod_name), pod in self.pods.items():
            if where == namespace and name in events.claims(pod):
                yield from self._of_pod(where, pod_name)

    def _of_pod(self, namespace: str, pod: str) -> Iterable[Key]:
        return self._devserver(namespace, pod.removesuffix("-0"))

    def _devserver(self, namespace: str, name: str) -> Iterable[Key]:
        """The DevServer of that name, if there is one. (The StatefulSet may belong to something else.)"""
        is_there = (namespace, name) in self._cache.resources[DEVSERVER.kind]
        return (Key(DEVSERVER.kind, namespace, name),) if is_there else ()
