"""What keeps a pod from being logged in to, from its status and from what Events told of it. Pure.

Reasons are stable: what kubelet calls by two names in turn has one here. `since` is one of the pod's own times, never
this clock's: so what is said changes only when the cluster has something new to say.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from reconciler import pod_events, reasons
from reconciler.cluster import Object
from reconciler.crashes import LOOPING, crash
from reconciler.expiry import format_time, parse_time
from reconciler.pod_events import Told
from reconciler.text import one_line, shortened

# Waiting reasons of a container that are mere progress.
_PROGRESS = {"ContainerCreating", "PodInitializing"}
# kubelet goes to and fro between trying to pull an image and waiting to try again:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/images/image_manager.go
_PULLING = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"}
_BACK_OFF = re.compile(r'Back-off pulling image "[^"]*"(: \w+: )?')
_MAX_CAUSE = 1000
# Of reasons that others chose: what a condition takes.
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
# The scheduler's words:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/volumebinding/volume_binding.go
_CLAIM_MISSING = re.compile(
    r'persistentvolumeclaim "[^"]+" (not found|is being deleted|bound to non-existent persistentvolume)'
)
_CLAIM_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
# What was told of a claim so long before its pod was made holds still: a home's claim is made first.
_CLAIM_LEAD = timedelta(minutes=1)


@dataclass(frozen=True)
class Trouble:
    """phase: one word for people. since: an RFC 3339 time, empty where none is told."""

    reason: str
    message: str
    phase: str
    since: str


def trouble(pod: Object, told: Iterable[Told] = ()) -> Trouble:
    """Why the pod, which is not ready, is not. told: by Events, of the pod and its claims."""
    status = pod.get("status") or {}
    newest = sorted(told, key=lambda item: item.last, reverse=True)
    is_ending = "deletionTimestamp" in pod["metadata"]
    # One that is stopped may end with any exit code, and so as failed.
    if status.get("phase") == "Failed" and (status.get("reason") or not is_ending):
        return _failed(status)
    if is_ending:
        return _ending(pod)
    ready = condition(status, "Ready")
    if ready and condition(status, "ContainersReady").get("status") == "True":
        node = one_line(str(pod.get("spec", {}).get("nodeName") or "of the pod"))
        message = f"The node {node} does not respond, so it is unknown whether the pod still runs."
        return Trouble(reasons.NODE_NOT_READY, message, "Failing", _since(ready))
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return _not_scheduled(pod, scheduled, newest)
    since = _since(condition(status, "ContainersReady")) or _created(pod)
    found = next(_of_containers(status, newest, since, pod), None) or _of_sandbox(pod, status, newest)
    return found or Trouble(reasons.POD_STARTING, "The containers are starting.", "Starting", _created(pod))


def condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    """The pod's condition of that type, an empty dict if it has none."""
    return next((item for item in status.get("conditions") or [] if item["type"] == type_), {})


def _since(found: dict[str, Any]) -> str:
    return str(found.get("lastTransitionTime") or "")


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")


def _word(reason: Any, otherwise: str) -> str:
    """The reason, if it is one."""
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else otherwise


def _cause(text: Any) -> str:
    return shortened(one_line(str(text or "")), _MAX_CAUSE)


# --- pods that come to an end


def _failed(status: dict[str, Any]) -> Trouble:
    """Evicted, refused by kubelet, past a deadline, ...: the StatefulSet's controller makes another one."""
    reason = _word(status.get("reason"), reasons.POD_FAILED)
    message = f"The pod failed and is replaced: {_cause(status.get('message')) or reason}"
    return Trouble(reason, message, "Failing", _since(condition(status, "Ready")))


def _ending(pod: Object) -> Trouble:
    meta = pod["metadata"]
    gone_by = meta["deletionTimestamp"]
    message = f"The earlier pod is ending; it should be gone by {gone_by}"
    if finalizers := meta.get("finalizers"):
        message += f", but finalizers keep it: {shortened(one_line(', '.join(finalizers)), 200)}"
    # https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/3329-retriable-and-non-retriable-failures
    disruption = condition(pod.get("status") or {}, "DisruptionTarget")
    if disruption.get("status") == "True":
        message += (
            f". It was ended by {one_line(disruption.get('reason', ''))}: {_cause(disruption.get('message'))}"
        )
    grace = timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0)
    return Trouble(reasons.POD_ENDING, message, "Starting", format_time(parse_time(gone_by) - grace))


# --- pods without a node


def _not_scheduled(pod: Object, scheduled: dict[str, Any], told: list[Told]) -> Trouble:
    """Waiting for a node is progress; waiting for a claim is not the scheduler's to end."""
    says, since = _cause(scheduled.get("message")), _since(scheduled)
    if _CLAIM_MISSING.search(says):
        return Trouble(
            reasons.CLAIM_MISSING, f"A claim that the pod mounts is missing: {says}", "Pending", since
        )
    if _CLAIM_UNBOUND in says:
        names = shortened(", ".join(pod_events.claims(pod)), 400)
        earliest = format_time(parse_time(_created(pod)) - _CLAIM_LEAD)
        causes = [
            item.message for item in told if item.kind == "PersistentVolumeClaim" and item.last >= earliest
        ]
        message = f"A claim has no volume yet (the pod mounts {names}): {causes[0] if causes else says}"
        return Trouble(reasons.CLAIM_PENDING, message, "Pending", since)
    reason = _word(scheduled.get("reason"), reasons.UNSCHEDULABLE)
    return Trouble(reason, f"Waiting for a node: {says or 'no node fits'}", "Pending", since)


# --- pods on a node


def _of_containers(status: dict[str, Any], told: list[Told], since: str, pod: Object) -> Iterator[Trouble]:
    for init, kind in ((True, "initContainerStatuses"), (False, "containerStatuses")):
        for container in status.get(kind) or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason")
            if reason in _PULLING:
                yield Trouble(reasons.IMAGE_PULL, _pull(container, waiting, told, pod), "Failing", since)
            elif reason and reason not in _PROGRESS | LOOPING:
                message = (
                    f"Container {container['name']}: {_cause(waiting.get('message')) or one_line(reason)}"
                )
                yield Trouble(_word(reason, reasons.CONTAINER_WAITING), message, "Failing", since)
            elif not container.get("ready") and (crashed := crash(container, init)) is not None:
                phase = "Failing" if crashed.again else "Starting"
                yield Trouble(crashed.reason, crashed.message, phase, since)


def _pull(container: dict[str, Any], waiting: dict[str, Any], told: list[Told], pod: Object) -> str:
    image, cause = one_line(container.get("image", "")), _cause(waiting.get("message"))
    cause = _BACK_OFF.sub("", cause, count=1)
    message = f"The image {image} of container {container['name']} cannot be pulled"
    causes = [cause] if cause else []
    causes += [
        item.message for item in told if item.reason == pod_events.NO_PULL_SECRET and item.uid == _uid(pod)
    ][:1]
    return ": ".join([message, "; ".join(causes)] if causes else [message])


def _of_sandbox(pod: Object, status: dict[str, Any], told: list[Told]) -> Trouble | None:
    """Volumes and sandbox come before the containers, and kubelet tells of them in Events only.

    PodReadyToStartContainers is the condition of KEP-3085:
    https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/3085-pod-conditions-for-starting-completition-of-sandbox-creation
    """
    started = condition(status, "PodReadyToStartContainers")
    if started.get("status") == "True" or any(
        "running" in (container.get("state") or {})
        for kind in ("initContainerStatuses", "containerStatuses")
        for container in status.get(kind) or []
    ):
        return None
    # An earlier sandbox's trouble is over.
    news = [
        item for item in told if item.uid == _uid(pod) and item.last >= (_since(started) or _created(pod))
    ]
    mounts = [item for item in news if item.reason in (reasons.FAILED_MOUNT, pod_events.FAILED_ATTACH)]
    sandbox = next((item for item in news if item.reason == reasons.FAILED_SANDBOX), None)
    # The sandbox is made when all volumes are mounted: what was told of them until then is over.
    if sandbox is not None and all(item.last <= sandbox.last for item in mounts):
        message = f"The pod cannot be set up: {sandbox.message}"
        return Trouble(reasons.FAILED_SANDBOX, message, "Failing", sandbox.first)
    # After some minutes kubelet tells that it waited in vain, and no longer for what: SyncPod in
    # https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kubelet.go
    for item in sorted(mounts, key=lambda item: item.message.startswith("Unable to attach or mount volumes")):
        message = f"A volume cannot be mounted: {item.message}"
        return Trouble(reasons.FAILED_MOUNT, message, "Failing", item.first)
    return None


def _uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])
