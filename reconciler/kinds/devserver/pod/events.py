"""Why a pod does not start, where only Events say it: volumes, sandbox, pull secrets, claims without a volume.

Each reason has a watch of its own, so that the operator receives no other of the cluster's many Events.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.kube.objects import Object
from reconciler.status import reasons
from reconciler.text import one_line, shortened

# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/events/event.go
FAILED_ATTACH = "FailedAttachVolume"
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kubelet_pods.go
NO_PULL_SECRET = "FailedToRetrieveImagePullSecret"
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/volume/events/event.go
PROVISIONING_FAILED = "ProvisioningFailed"
# The reasons whose Events are watched, and the kind of object that they are about.
FOLLOWED = {
    reasons.FAILED_MOUNT: "Pod",
    FAILED_ATTACH: "Pod",
    reasons.FAILED_SANDBOX: "Pod",
    NO_PULL_SECRET: "Pod",
    PROVISIONING_FAILED: "PersistentVolumeClaim",
}
_MAX_MESSAGE = 1000


def selector(reason: str, kind: str) -> str:
    """The field selector of Events of that reason about objects of that kind."""
    return f"reason={reason},involvedObject.kind={kind}"


def reduce_event(event: Object) -> Object:
    """The parts of an Event that are worth keeping in memory. first, last: when it happened, to the second."""
    meta = {name: event["metadata"].get(name) for name in ("namespace", "name", "uid", "resourceVersion")}
    created = event["metadata"].get("creationTimestamp")
    # Events of the core API have firstTimestamp and lastTimestamp, those of events.k8s.io eventTime and series:
    # https://github.com/kubernetes/enhancements/tree/master/keps/sig-instrumentation/383-new-event-api-ga-graduation
    at = event.get("eventTime") or created or ""
    series = (event.get("series") or {}).get("lastObservedTime")
    return {
        "metadata": meta,
        "involvedObject": event["involvedObject"],
        "reason": event.get("reason", ""),
        "message": shortened(one_line(event.get("message", "")), _MAX_MESSAGE),
        "first": _to_the_second(event.get("firstTimestamp") or at),
        "last": _to_the_second(event.get("lastTimestamp") or series or at),
    }


def _to_the_second(time: str) -> str:
    return f"{time[:19]}Z" if len(time) > len("2030-01-01T12:00:00Z") else time


@dataclass(frozen=True)
class PodEvent:
    """An Event of a pod, or of a claim that it mounts. first, last: RFC 3339 times, to the second.

    kind, uid: of the object that it is about.
    """

    kind: str
    uid: str
    reason: str
    message: str
    first: str
    last: str


class InvolvedObject(NamedTuple):
    """The object that an Event is about."""

    kind: str
    namespace: str
    name: str


@dataclass
class PodEvents:
    """Events of pods and claims, ours or not. (The API server deletes Events after an hour by default.)"""

    _events: dict[InvolvedObject, dict[str, PodEvent]] = field(default_factory=dict)

    def change(self, old: Object | None, new: Object | None) -> InvolvedObject:
        """Take in a reduced Event that was added, changed or (new: None) deleted; returns what it is about."""
        event: dict[str, Any] = new or old or {}
        reference, name = event["involvedObject"], event["metadata"]["name"]
        involved = InvolvedObject(reference["kind"], reference.get("namespace", ""), reference["name"])
        if new is not None:
            fields = (new[part] for part in ("reason", "message", "first", "last"))
            events = self._events.setdefault(involved, {})
            events[name] = PodEvent(involved.kind, reference.get("uid", ""), *fields)
        elif involved in self._events:
            self._events[involved].pop(name, None)
            if not self._events[involved]:
                del self._events[involved]
        return involved

    def of(self, pod: Object) -> tuple[PodEvent, ...]:
        """The Events of the pod and of the claims that it mounts."""
        namespace = pod["metadata"]["namespace"]
        involved = [InvolvedObject("Pod", namespace, pod["metadata"]["name"])]
        involved += [InvolvedObject("PersistentVolumeClaim", namespace, claim) for claim in claims(pod)]
        return tuple(event for item in involved for event in self._events.get(item, {}).values())


def claims(pod: Object) -> Iterator[str]:
    """Names of the PersistentVolumeClaims that the pod mounts."""
    for volume in pod.get("spec", {}).get("volumes") or []:
        if (source := volume.get("persistentVolumeClaim")) is not None:
            yield source["claimName"]
