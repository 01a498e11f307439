"""Whether a DevServer can be logged in to, read from its watched StatefulSet and pod. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler import reasons
from reconciler.cluster import Object
from reconciler.pod_events import Told
from reconciler.pod_trouble import condition, trouble
from reconciler.refused_pods import Refusal
from reconciler.world import annotations, labels
from stacks.metadata import RESTART_DIGEST_ANNOTATION


@dataclass(frozen=True)
class Readiness:
    """What the Ready condition says.

    phase: one word for people. since: when the cluster first saw what the message says, an RFC 3339 time; empty
    where it does not tell.
    """

    ready: bool
    reason: str
    message: str
    phase: str
    since: str = ""


APPLIED = Readiness(True, reasons.APPLIED, "All children are in place.", "Ready")
READY = Readiness(True, reasons.READY, "The pod runs and sshd answers.", "Running")


def devserver_readiness(
    stateful_set: Object | None, pod: Object | None, refusal: Refusal | None = None, told: Iterable[Told] = ()
) -> Readiness:
    """The readiness of a DevServer whose stack is in place.

    refusal: why there is no pod, if that was told. told: by Events, of the pod and its claims.
    """
    if stateful_set is None:
        return _starting("The StatefulSet is being created.")
    if stateful_set["spec"].get("replicas") == 0:
        return Readiness(False, reasons.STOPPED, "spec.running is false; set it to true to start.", "Stopped")
    if pod is None and refusal is not None and refusal.uid == stateful_set["metadata"]["uid"]:
        message = f"The pod was refused: {refusal.message}"
        return Readiness(False, refusal.reason, message, "Pending", refusal.since)
    if pod is None:
        return _starting("The pod is being created.")
    is_ready = condition(pod.get("status") or {}, "Ready").get("status") == "True"
    if is_ready and not pod["metadata"].get("deletionTimestamp"):
        return READY
    found = trouble(pod, told)
    return Readiness(False, found.reason, found.message, found.phase, found.since)


def _starting(message: str) -> Readiness:
    return Readiness(False, reasons.POD_STARTING, message, "Starting")


@dataclass(frozen=True)
class Restart:
    """Whether the pod differs from its template. due: it is to be deleted now; otherwise at its next restart."""

    due: bool
    message: str


def pending_restart(stateful_set: Object | None, pod: Object | None, update_policy: str) -> Restart | None:
    """Whether the pod must be restarted, or would come back changed; None if it is up to date.

    A change that the user made (another restart digest) restarts at once, any other change waits unless the
    update policy says Now.
    """
    if stateful_set is None or pod is None or pod["metadata"].get("deletionTimestamp"):
        return None
    status = stateful_set.get("status", {})
    if status.get("observedGeneration") != stateful_set["metadata"]["generation"]:
        return None
    if labels(pod).get("controller-revision-hash") in (None, status.get("updateRevision")):
        return None
    template = stateful_set["spec"]["template"]["metadata"].get("annotations", {})
    if annotations(pod).get(RESTART_DIGEST_ANNOTATION) != template.get(RESTART_DIGEST_ANNOTATION):
        return Restart(True, "The spec changed.")
    if update_policy == "Now":
        return Restart(True, "The flavor or the operator changed and spec.updatePolicy is Now.")
    return Restart(False, "The flavor or the operator changed; the next restart of the pod applies it.")
