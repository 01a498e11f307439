"""Why a pod is not ready, read from its status and from Events. Pure.

Reasons are stable: where the kubelet alternates between two reasons, there is one here. Times are those of the pod or
of its Events, never of this process's clock. So a diagnosis changes only when the cluster has something new to say.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from crds.times import format_time, parse_time
from reconciler.kinds.devserver.pod import events as pod_events
from reconciler.kinds.devserver.pod.containers import CRASH_REASONS, find_crash
from reconciler.kinds.devserver.pod.events import PodEvent
from reconciler.kube.objects import Object, is_deleting
from reconciler.status import reasons
from reconciler.status.conditions import Readiness, not_ready
from reconciler.text import one_line, shortened

# Waiting reasons of a container that is being started.
_STARTING = {"ContainerCreating", "PodInitializing"}
# Waiting reasons while an image cannot be pulled. The kubelet alternates between pulling and waiting:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/images/image_manager.go
_PULLING = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"}
_BACK_OFF = re.compile(r'Back-off pulling image "[^"]*"(: \w+: )?')
_MAX_CAUSE = 1000
# What a condition accepts as a reason; others may choose theirs freely.
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
# Messages of kube-scheduler about the PersistentVolumeClaims of a pod:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/volumebinding/volume_binding.go
_CLAIM_MISSING = re.compile(
    r'persistentvolumeclaim "[^"]+" (not found|is being deleted|bound to non-existent persistentvolume)'
)
_CLAIM_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
# An Event of a claim still counts if it is older than the pod by no more than this: a home is created before its pod.
_CLAIM_LEAD = timedelta(minutes=1)


def diagnose(pod: Object, events: Iterable[PodEvent] = ()) -> Readiness:
    """Why a pod that is not ready is not. events: of the pod and of the claims that it mounts."""
    status = pod.get("status") or {}
    newest_first = sorted(events, key=lambda item: item.last, reverse=True)
    is_ending = is_deleting(pod)
    # A pod that is being deleted may end with any exit code, and so in phase Failed.
    if status.get("phase") == "Failed" and (status.get("reason") or not is_ending):
        return _failed_pod(status)
    if is_ending:
        return _ending_pod(pod)
    ready = pod_condition(status, "Ready")
    # The node controller sets Ready to False, and nothing else, when a node stops reporting; see MarkPodsNotReady in
    # https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/util/node/controller_utils.go
    if ready and pod_condition(status, "ContainersReady").get("status") == "True":
        node = one_line(str(pod.get("spec", {}).get("nodeName") or "of the pod"))
        message = f"The node {node} does not respond, so it is unknown whether the pod still runs."
        return not_ready(reasons.NODE_NOT_READY, message, "Failing", _since(ready))
    scheduled = pod_condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return _unscheduled_pod(pod, scheduled, newest_first)
    found = next(_container_problems(pod, status, newest_first), None)
    found = found or _setup_problem(pod, status, newest_first)
    return found or not_ready(reasons.POD_STARTING, "The containers are starting.", "Starting", _created(pod))


def pod_condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    """The condition of that type in a pod's status; an empty dict if there is none."""
    return next((item for item in status.get("conditions") or [] if item["type"] == type_), {})


def _since(condition: dict[str, Any]) -> str:
    return str(condition.get("lastTransitionTime") or "")


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")


def _valid_reason(reason: Any, default: str) -> str:
    """The reason, if a condition accepts it."""
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else default


def _cause(text: Any) -> str:
    return shortened(one_line(str(text or "")), _MAX_CAUSE)


# --- pods that have ended or are ending


def _failed_pod(status: dict[str, Any]) -> Readiness:
    """The pod was evicted, refused by the kubelet, exceeded its deadline, ... Its StatefulSet creates another one."""
    reason = _valid_reason(status.get("reason"), reasons.POD_FAILED)
    message = f"The pod failed and is replaced: {_cause(status.get('message')) or reason}"
    return not_ready(reason, message, "Failing", _since(pod_condition(status, "Ready")))


def _ending_pod(pod: Object) -> Readiness:
    """The pod is being deleted, since its grace period began."""
    meta = pod["metadata"]
    gone_by = meta["deletionTimestamp"]
    message = f"The earlier pod is ending; it should be gone by {gone_by}"
    if finalizers := meta.get("finalizers"):
        message += f", but finalizers keep it: {shortened(one_line(', '.join(finalizers)), 200)}"
    # KEP-3329: https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/3329-retriable-and-non-retriable-failures
    disruption = pod_condition(pod.get("status") or {}, "DisruptionTarget")
    if disruption.get("status") == "True":
        message += (
            f". It was ended by {one_line(disruption.get('reason', ''))}: {_cause(disruption.get('message'))}"
        )
    grace = timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0)
    return not_ready(reasons.POD_ENDING, message, "Starting", format_time(parse_time(gone_by) - grace))


# --- pods without a node


def _unscheduled_pod(pod: Object, scheduled: dict[str, Any], events: list[PodEvent]) -> Readiness:
    """The pod waits for a node, or for a claim, which no node would help."""
    says, since = _cause(scheduled.get("message")), _since(scheduled)
    if _CLAIM_MISSING.search(says):
        return not_ready(
            reasons.CLAIM_MISSING, f"A claim that the pod mounts is missing: {says}", "Pending", since
        )
    if _CLAIM_UNBOUND in says:
        names = shortened(", ".join(pod_events.claims(pod)), 400)
        earliest = format_time(parse_time(_created(pod)) - _CLAIM_LEAD)
        causes = [
            item.message for item in events if item.kind == "PersistentVolumeClaim" and item.last >= earliest
        ]
        message = f"A claim has no volume yet (the pod mounts {names}): {causes[0] if causes else says}"
        return not_ready(reasons.CLAIM_PENDING, message, "Pending", since)
    reason = _valid_reason(scheduled.get("reason"), reasons.UNSCHEDULABLE)
    return not_ready(reason, f"Waiting for a node: {says or 'no node fits'}", "Pending", since)


# --- pods on a node


def _container_problems(pod: Object, status: dict[str, Any], events: list[PodEvent]) -> Iterator[Readiness]:
    """Images that cannot be pulled, and containers that wait for another reason or crash, in the order of the pod."""
    since = _since(pod_condition(status, "ContainersReady")) or _created(pod)
    for is_init, kind in ((True, "initContainerStatuses"), (False, "containerStatuses")):
        for container in status.get(kind) or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason")
            if reason in _PULLING:
                message = _pull_message(pod, container, waiting, events)
                yield not_ready(reasons.IMAGE_PULL, message, "Failing", since)
            elif reason and reason not in _STARTING | CRASH_REASONS:
                message = (
                    f"Container {container['name']}: {_cause(waiting.get('message')) or one_line(reason)}"
                )
                yield not_ready(_valid_reason(reason, reasons.CONTAINER_WAITING), message, "Failing", since)
            elif not container.get("ready") and (crash := find_crash(container, is_init)) is not None:
                phase = "Failing" if crash.is_looping else "Starting"
                yield not_ready(crash.reason, crash.message, phase, since)


def _pull_message(
    pod: Object, container: dict[str, Any], waiting: dict[str, Any], events: list[PodEvent]
) -> str:
    image, cause = one_line(container.get("image", "")), _cause(waiting.get("message"))
    cause = _BACK_OFF.sub("", cause, count=1)
    message = f"The image {image} of container {container['name']} cannot be pulled"
    causes = [cause] if cause else []
    causes += [
        item.message for item in events if item.reason == pod_events.NO_PULL_SECRET and item.uid == _uid(pod)
    ][:1]
    return ": ".join([message, "; ".join(causes)] if causes else [message])


def _setup_problem(pod: Object, status: dict[str, Any], events: list[PodEvent]) -> Readiness | None:
    """A volume or the sandbox, which come before the containers; the kubelet reports these in Events only."""
    # KEP-3085: https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/3085-pod-conditions-for-starting-completition-of-sandbox-creation
    started = pod_condition(status, "PodReadyToStartContainers")
    if started.get("status") == "True" or any(
        "running" in (container.get("state") or {})
        for kind in ("initContainerStatuses", "containerStatuses")
        for container in status.get(kind) or []
    ):
        return None
    # Events from before the condition changed are about an earlier sandbox.
    since = _since(started) or _created(pod)
    current = [item for item in events if item.uid == _uid(pod) and item.last >= since]
    mounts = [item for item in current if item.reason in (reasons.FAILED_MOUNT, pod_events.FAILED_ATTACH)]
    sandbox = next((item for item in current if item.reason == reasons.FAILED_SANDBOX), None)
    # The sandbox is created when all volumes are mounted: earlier Events of volumes are out of date.
    if sandbox is not None and all(item.last <= sandbox.last for item in mounts):
        message = f"The pod cannot be set up: {sandbox.message}"
        return not_ready(reasons.FAILED_SANDBOX, message, "Failing", sandbox.first)
    # After some minutes the kubelet reports that it waited in vain, and no longer what for. Prefer the earlier cause:
    # https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kubelet.go
    for item in sorted(mounts, key=lambda item: item.message.startswith("Unable to attach or mount volumes")):
        message = f"A volume cannot be mounted: {item.message}"
        return not_ready(reasons.FAILED_MOUNT, message, "Failing", item.first)
    return None


def _uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])
