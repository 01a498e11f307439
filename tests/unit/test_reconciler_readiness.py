"""Readiness and pending restarts, as StatefulSet and pod show them."""

from typing import Any

import pytest

from reconciler.readiness import devserver_readiness, pending_restart
from reconciler.refused_pods import Refusal
from stacks.devserver.program import DevServerChildren
from tests.builders import child_object, owner, pod

Object = dict[str, Any]
DELETED = {"deletionTimestamp": "2030-01-01T12:00:00Z"}


def stateful_set(replicas: int = 1, digest: str = "chosen", **status: Any) -> Object:
    made = child_object(
        DevServerChildren.of(owner()).stateful_set,
        spec={
            "replicas": replicas,
            "template": {"metadata": {"annotations": {"devserver.io/restart-digest": digest}}},
        },
        status={"observedGeneration": 2, "updateRevision": "rev-2", **status},
    )
    made["metadata"]["generation"] = 2
    return made


def condition(type_: str, status: str, **more: str) -> Object:
    return {"type": type_, "status": status, **more}


def container(state: str, kind: str = "containerStatuses", name: str = "devserver", **more: str) -> Object:
    return {kind: [{"name": name, "state": {state: more}}]}


def waiting(reason: str, message: str | None = None, **more: Any) -> Object:
    return container("waiting", reason=reason, **({"message": message} if message else {}), **more)


NOT_READY = [condition("PodScheduled", "True"), condition("Ready", "False", reason="ContainersNotReady")]
NO_NODE = [condition("PodScheduled", "False", reason="Unschedulable", message="0/1 nodes are available")]

CASES: dict[str, tuple[Object | None, Object | None, bool, str, str]] = {
    # StatefulSet, pod, ready, reason, phase
    "no StatefulSet yet": (None, None, False, "PodStarting", "Starting"),
    "stopped": (stateful_set(replicas=0), None, False, "Stopped", "Stopped"),
    "stopping": (stateful_set(replicas=0), pod(**DELETED), False, "Stopped", "Stopped"),
    "no pod yet": (stateful_set(), None, False, "PodStarting", "Starting"),
    "pod without status": (stateful_set(), pod(), False, "PodStarting", "Starting"),
    "ready": (
        stateful_set(),
        pod(status={"conditions": [condition("Ready", "True")]}),
        True,
        "PodReady",
        "Running",
    ),
    "terminating though ready": (
        stateful_set(),
        pod(status={"conditions": [condition("Ready", "True")]}, **DELETED),
        False,
        "PodEnding",
        "Starting",
    ),
    "containers are being created": (
        stateful_set(),
        pod(status={"conditions": NOT_READY, **waiting("ContainerCreating")}),
        False,
        "PodStarting",
        "Starting",
    ),
    "init containers run": (
        stateful_set(),
        pod(status={"conditions": NOT_READY, **waiting("PodInitializing")}),
        False,
        "PodStarting",
        "Starting",
    ),
    "running, and sshd does not answer yet": (
        stateful_set(),
        pod(status={"conditions": NOT_READY, **container("running")}),
        False,
        "PodStarting",
        "Starting",
    ),
    "no node has room": (
        stateful_set(),
        pod(status={"conditions": NO_NODE}),
        False,
        "Unschedulable",
        "Pending",
    ),
    "the image cannot be pulled": (
        stateful_set(),
        pod(status={"conditions": NOT_READY, **waiting("ErrImagePull", "no such image")}),
        False,
        "ImagePullBackOff",
        "Failing",
    ),
    "pulling is backed off": (
        stateful_set(),
        pod(status={"conditions": NOT_READY, **waiting("ImagePullBackOff")}),
        False,
        "ImagePullBackOff",
        "Failing",
    ),
    "the tools image cannot be pulled": (
        stateful_set(),
        pod(
            status={
                "conditions": NOT_READY,
                **waiting("ImagePullBackOff", kind="initContainerStatuses", name="tools"),
                **waiting("PodInitializing"),
            }
        ),
        False,
        "ImagePullBackOff",
        "Failing",
    ),
    "the container crashes": (
        stateful_set(),
        pod(status={"conditions": NOT_READY, **waiting("CrashLoopBackOff", "back-off 10s")}),
        False,
        "CrashLoopBackOff",
        "Failing",
    ),
    "a claim is missing": (
        stateful_set(),
        pod(status={"conditions": NOT_READY, **waiting("CreateContainerConfigError")}),
        False,
        "CreateContainerConfigError",
        "Failing",
    ),
}


@pytest.mark.parametrize(("workload", "box", "ready", "reason", "phase"), CASES.values(), ids=CASES.keys())
def test_readiness(workload: Object | None, box: Object | None, ready: bool, reason: str, phase: str) -> None:
    found = devserver_readiness(workload, box)
    assert (found.ready, found.reason, found.phase) == (ready, reason, phase)
    assert found.message


def test_a_refused_pod_is_told_of_where_it_is_this_stateful_sets() -> None:
    workload = stateful_set()
    since = "2030-01-01T12:00:00Z"
    refusal = Refusal(workload["metadata"]["uid"], "exceeded quota: few, requested: pods=1", since)
    told = devserver_readiness(workload, None, refusal)
    assert (told.ready, told.reason, told.phase) == (False, "QuotaExceeded", "Pending")
    assert refusal.message in told.message
    assert told.since == since
    assert devserver_readiness(workload, None, Refusal("another", "")).reason == "PodStarting"
    ready = pod(status={"conditions": [condition("Ready", "True")]})
    assert devserver_readiness(workload, ready, refusal).ready


@pytest.mark.parametrize(
    ("status", "part"),
    [
        ({"conditions": NO_NODE}, "0/1 nodes are available"),
        (waiting("ErrImagePull", "no such image"), "of container devserver cannot be pulled: no such image"),
        (waiting("ErrImagePull"), "of container devserver cannot be pulled"),
        (waiting("CreateContainerConfigError"), "Container devserver: CreateContainerConfigError"),
    ],
)
def test_the_message_says_what_the_cluster_says(status: Object, part: str) -> None:
    assert part in devserver_readiness(stateful_set(), pod(status=status)).message


def box(revision: str | None = "rev-1", digest: str = "chosen", **metadata: Any) -> Object:
    labels = {"controller-revision-hash": revision} if revision else {}
    return pod(labels=labels, annotations={"devserver.io/restart-digest": digest}, **metadata)


RESTARTS: dict[str, tuple[Object | None, Object | None, str, bool | None]] = {
    # StatefulSet, pod, update policy, due (None: nothing pending)
    "up to date": (stateful_set(), box("rev-2"), "WhenRestarted", None),
    "up to date though the policy is Now": (stateful_set(), box("rev-2"), "Now", None),
    "the user changed the spec": (stateful_set(digest="other"), box(), "WhenRestarted", True),
    "the flavor changed": (stateful_set(), box(), "WhenRestarted", False),
    "the flavor changed and the policy is Now": (stateful_set(), box(), "Now", True),
    "both changed": (stateful_set(digest="other"), box(), "Now", True),
    "no StatefulSet": (None, box(), "Now", None),
    "no pod": (stateful_set(), None, "Now", None),
    "the pod ends already": (stateful_set(digest="other"), box(**DELETED), "Now", None),
    "the controller has not seen the template yet": (
        stateful_set(digest="other", observedGeneration=1),
        box(),
        "Now",
        None,
    ),
    "a StatefulSet without status": (stateful_set(observedGeneration=None), box(), "Now", None),
    "a pod that tells no revision": (stateful_set(digest="other"), box(None), "Now", None),
}


@pytest.mark.parametrize(("workload", "box", "policy", "due"), RESTARTS.values(), ids=RESTARTS.keys())
def test_pending_restart(workload: Object | None, box: Object | None, policy: str, due: bool | None) -> None:
    restart = pending_restart(workload, box, policy)
    assert (None if restart is None else restart.due) is due
