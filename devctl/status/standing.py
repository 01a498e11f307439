"""Where a DevServer stands, from its conditions. Pure."""

from dataclasses import dataclass
from enum import Enum

from devctl.objects import Object, condition

# Reasons of a container that does not come up by waiting: the image or the spec has to change.
HOPELESS = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
}


class Stage(Enum):
    """READY: it can be logged in to. STOPPED: as was asked. FAILED: it does not start without a change."""

    READY = "ready"
    STOPPED = "stopped"
    WAITING = "waiting"
    FAILED = "failed"
    ENDING = "ending"


@dataclass(frozen=True)
class Standing:
    """A stage, the reason's one word and its sentence, which are the operator's own."""

    stage: Stage
    reason: str
    message: str


def standing(obj: Object) -> Standing:
    """Where the DevServer stands with its present spec."""
    if obj["metadata"].get("deletionTimestamp"):
        return Standing(Stage.ENDING, "Deleting", "It is being deleted.")
    generation = obj["metadata"].get("generation", 0)
    for type_, stage in (("Stalled", Stage.FAILED), ("Reconciling", Stage.WAITING)):
        found = condition(obj, type_)
        if found.get("status") == "True" and found.get("observedGeneration", 0) >= generation:
            return _of(stage, found)
    ready = condition(obj, "Ready")
    if not ready:
        return Standing(Stage.WAITING, "NotSeen", "The operator has not seen it yet.")
    if ready.get("observedGeneration", 0) < generation:
        return Standing(Stage.WAITING, "Applying", "The operator is applying the spec.")
    if ready["status"] == "True":
        return _of(Stage.READY, ready)
    if ready.get("reason") == "Stopped":
        return _of(Stage.STOPPED, ready)
    return _of(Stage.FAILED if ready.get("reason") in HOPELESS else Stage.WAITING, ready)


def _of(stage: Stage, found: Object) -> Standing:
    return Standing(stage, str(found.get("reason", "")), str(found.get("message", "")))
