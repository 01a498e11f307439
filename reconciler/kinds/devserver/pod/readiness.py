"""Whether users can log in to a DevServer. Read from its watched StatefulSet and pod. Pure."""

from collections.abc import Iterable

from reconciler.kinds.devserver.pod.diagnosis import diagnose, pod_condition
from reconciler.kinds.devserver.pod.events import PodEvent
from reconciler.kinds.devserver.pod.refusals import Refusal
from reconciler.kube.objects import Object, is_deleting
from reconciler.status import reasons
from reconciler.status.conditions import Readiness, not_ready, ready

READY = ready(reasons.READY, "The pod runs and sshd answers.", "Running")


def devserver_readiness(
    stateful_set: Object | None,
    pod: Object | None,
    refusal: Refusal | None = None,
    events: Iterable[PodEvent] = (),
) -> Readiness:
    """The readiness of a DevServer whose stack was applied.

    refusal: the last refusal of its pod, if any. events: about the pod and the PVCs that it mounts.
    """
    if stateful_set is None:
        return _starting("The StatefulSet is being created.")
    if stateful_set["spec"].get("replicas") == 0:
        return not_ready(reasons.STOPPED, "spec.running is false; set it to true to start.", "Stopped")
    if pod is None and refusal is not None and refusal.uid == stateful_set["metadata"]["uid"]:
        message = f"The pod was refused: {refusal.message}"
        return not_ready(refusal.reason, message, "Pending", refusal.since)
    if pod is None:
        return _starting("The pod is being created.")
    is_ready = pod_condition(pod.get("status") or {}, "Ready").get("status") == "True"
    if is_ready and not is_deleting(pod):
        return READY
    return diagnose(pod, events)


def _starting(message: str) -> Readiness:
    return not_ready(reasons.POD_STARTING, message, "Starting")
