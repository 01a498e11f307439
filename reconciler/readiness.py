"""Whether a DevServer can be logged in to, read from its watched StatefulSet and pod. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reconciler import reasons
from reconciler.cluster import Object
from reconciler.refused_pods import Refusal
from reconciler.world import annotations, labels
from stacks.metadata import RESTART_DIGEST_ANNOTATION

# Waiting reasons of a container that are mere progress.
_PROGRESS = {"ContainerCreating", "PodInitializing"}


@dataclass(frozen=True)
class Readiness:
    """What the Ready condition says. phase: one word for people."""

    ready: bool
    reason: str
    message: str
    phase: str


APPLIED = Readiness(True, reasons.APPLIED, "All children are in place.", "Ready")


def devserver_readiness(
    stateful_set: Object | None, pod: Object | None, refusal: Refusal | None = None
) -> Readiness:
    """The readiness of a DevServer whose stack is in place. refusal: why there is no pod, if that was told."""
    if stateful_set is None:
        return _starting("The StatefulSet is being made.")
    if stateful_set["spec"].get("replicas") == 0:
        return Readiness(False, reasons.STOPPED, "spec.running is false; set it to true to start.", "Stopped")
    if pod is None and refusal is not None and refusal.uid == stateful_set["metadata"]["uid"]:
        return Readiness(False, refusal.reason, f"The pod was refused: {refusal.message}", "Pending")
    if pod is None:
        return _starting("The pod is being made.")
    if pod["metadata"].get("deletionTimestamp"):
        return _starting("The earlier pod is ending.")
    return _of_pod(pod)


def _of_pod(pod: Object) -> Readiness:
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return Readiness(True, reasons.READY, "The pod runs and sshd answers.", "Running")
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            message = f"Waiting for a node: {condition.get('message', 'no node fits')}"
            return Readiness(False, reasons.UNSCHEDULABLE, message, "Pending")
    for name, state in _container_states(status):
        waiting = state.get("waiting", {})
        reason = waiting.get("reason")
        if reason and reason not in _PROGRESS:
            return Readiness(False, reason, f"Container {name}: {waiting.get('message', reason)}", "Failing")
    return _starting("The containers are starting.")


def _container_states(status: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind, []):
            yield container["name"], container.get("state", {})


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
