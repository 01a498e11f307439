"""Readiness and pending restarts, as StatefulSet and pod show them."""

from typing import Any

import pytest

from reconciler.kinds.devserver.pod.readiness import devserver_readiness
from reconciler.kinds.devserver.pod.refusals import Refusal
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
    said = found.condition
    assert (said.status == "True", said.reason, found.phase) == (ready, reason, phase)
    assert said.message


def test_a_refused_pod_is_told_of_where_it_is_this_stateful_sets() -> None:
    workload = stateful_set()
    since = "2030-01-01T12:00:00Z"
    refusal = Refusal(workload["metadata"]["uid"], "exceeded quota: few, requested: pods=1", since)
    found = devserver_readiness(workload, None, refusal)
    said = found.condition
    assert (said.status, said.reason, found.phase) == ("False", "QuotaExceeded", "Pending")
    assert refusal.message in said.message
    assert said.since == since
    assert devserver_readiness(workload, None, Refusal("another", "")).condition.reason == "PodStarting"
    ready = pod(status={"conditions": [condition("Ready", "True")]})
    assert devserver_readiness(workload, ready, refusal).condition.status == "True"


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
    assert part in devserver_readiness(stateful_set(), pod(status=status)).condition.message
