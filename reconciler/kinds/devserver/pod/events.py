"""What only Events tell of a pod that does not start: volumes, sandbox, pull secrets, claims without a volume.

Each reason has a watch of its own, so that no others of the cluster's many Events come along.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from reconciler.kube.client import Object
from reconciler.status import reasons
from reconciler.text import one_line, shortened

FAILED_ATTACH = "FailedAttachVolume"
NO_PULL_SECRET = "FailedToRetrieveImagePullSecret"
PROVISIONING_FAILED = "ProvisioningFailed"
# Which reasons are followed, of which kind of object.
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


def essence(event: Object) -> Object:
    """The parts of an Event that are worth keeping in memory. first, last: when it was seen."""
    meta = {name: event["metadata"].get(name) for name in ("namespace", "name", "uid", "resourceVersion")}
    created = event["metadata"].get("creationTimestamp")
    # The older form of Events has the first two, the newer one the others.
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
class Told:
    """What an Event says of the object of that kind and uid. first, last: RFC 3339 times, to the second."""

    kind: str
    uid: str
    reason: str
    message: str
    first: str
    last: str


# Kind, namespace, name.
Subject = tuple[str, str, str]


@dataclass
class PodEvents:
    """What was told of pods and claims, ours or not. (The API server forgets Events after an hour.)"""

    _told: dict[Subject, dict[str, Told]] = field(default_factory=dict)

    def change(self, old: Object | None, new: Object | None) -> Subject:
        """Take up a changed Event, in its essence; returns what it is about."""
        event: dict[str, Any] = new or old or {}
        about = event["involvedObject"]
        subject = (about["kind"], about.get("namespace", ""), about["name"])
        name = event["metadata"]["name"]
        if new is not None:
            told = Told(about["kind"], about.get("uid", ""), *(new[part] for part in _PARTS))
            self._told.setdefault(subject, {})[name] = told
        elif subject in self._told:
            self._told[subject].pop(name, None)
            if not self._told[subject]:
                del self._told[subject]
        return subject

    def of(self, pod: Object) -> tuple[Told, ...]:
        """What was told of the pod and of the claims that it mounts."""
        namespace = pod["metadata"]["namespace"]
        subjects = [("Pod", namespace, pod["metadata"]["name"])]
        subjects += [("PersistentVolumeClaim", namespace, claim) for claim in claims(pod)]
        return tuple(told for subject in subjects for told in self._told.get(subject, {}).values())


_PARTS = ("reason", "message", "first", "last")


def claims(pod: Object) -> Iterator[str]:
    """Names of the claims that the pod mounts."""
    for volume in pod.get("spec", {}).get("volumes") or []:
        if (source := volume.get("persistentVolumeClaim")) is not None:
            yield source["claimName"]
