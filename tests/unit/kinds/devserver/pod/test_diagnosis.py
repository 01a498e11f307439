"""Why a pod is not ready: a stable reason, and the cluster's own messages and times."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds import Condition
from reconciler.kinds.devserver.pod.diagnosis import diagnose
from reconciler.kinds.devserver.pod.events import PodEvent
from reconciler.status.conditions import Readiness, not_ready
from tests.builders import pod

Object = dict[str, Any]
CREATED, PLACED, READY_SINCE, EVENT_AT = (f"2030-01-01T12:00:0{second}Z" for second in range(4))
ON_NODE = [
    {"type": "PodScheduled", "status": "True", "lastTransitionTime": PLACED},
    {"type": "Ready", "status": "False", "lastTransitionTime": READY_SINCE},
    {"type": "ContainersReady", "status": "False", "lastTransitionTime": READY_SINCE},
]
CLAIMS = {
    "volumes": [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("data", "more")]
}


def box(*conditions: Object, spec: Object | None = None, meta: Object | None = None, **status: Any) -> Object:
    made = pod(status={"conditions": list(conditions or ON_NODE), **status}, **(meta or {}))
    made["metadata"]["creationTimestamp"] = CREATED
    return made | {"spec": spec or {}}


def waits(reason: str, message: str = "", kind: str = "containerStatuses", image: str = "debian") -> Object:
    waiting = {"reason": reason, "message": message}
    return {kind: [{"name": "devserver", "image": image, "state": {"waiting": waiting}}]}


def no_node(message: str, reason: str = "Unschedulable") -> Object:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": PLACED,
    }


def event(reason: str, message: str, last: str = EVENT_AT, **more: str) -> PodEvent:
    return PodEvent(
        **({"kind": "Pod", "uid": "uid-of-box-0", "first": READY_SINCE, "last": last} | more),
        reason=reason,
        message=message,
    )


GONE = '0/1 nodes are available: persistentvolumeclaim "data" not found. preemption: none'
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
CREATING = waits("ContainerCreating")
SANDBOX = [
    *ON_NODE,
    {"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": READY_SINCE},
]
STARTED = [*ON_NODE, {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": EVENT_AT}]
DELETED = {"deletionTimestamp": "2030-01-01T12:01:10Z", "deletionGracePeriodSeconds": 10}
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "Container devserver exceeded its limit"}
NOT_ATTACHED = event("FailedAttachVolume", "Multi-Attach error")
NOT_MOUNTED = event("FailedMount", "no such directory")
IN_VAIN = event("FailedMount", "Unable to attach or mount volumes: timed out", last="2030-01-01T12:02:00Z")

CASES: dict[str, tuple[Object, list[PodEvent], Readiness]] = {
    "it starts": (
        box(**CREATING),
        [],
        not_ready("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "no node fits": (
        box(no_node("0/1 nodes are available: 1 Insufficient cpu.")),
        [],
        not_ready(
            "Unschedulable",
            "Waiting for a node: 0/1 nodes are available: 1 Insufficient cpu.",
            "Pending",
            PLACED,
        ),
    ),
    "a gate holds it back": (
        box(no_node("Scheduling is blocked", "SchedulingGated")),
        [],
        not_ready("SchedulingGated", "Waiting for a node: Scheduling is blocked", "Pending", PLACED),
    ),
    "a claim is missing": (
        box(no_node(GONE)),
        [],
        not_ready("ClaimMissing", f"A claim that the pod mounts is missing: {GONE}", "Pending", PLACED),
    ),
    "a claim has no volume, and no Event says why": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [],
        not_ready(
            "ClaimPending",
            f"A claim has no volume yet (the pod mounts data, more): {UNBOUND}",
            "Pending",
            PLACED,
        ),
    ),
    "a claim has no volume, because its class does not exist": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [event("ProvisioningFailed", "no such class", kind="PersistentVolumeClaim")],
        not_ready(
            "ClaimPending",
            "A claim has no volume yet (the pod mounts data, more): no such class",
            "Pending",
            PLACED,
        ),
    ),
    "an Event of a claim from just before the pod was created counts": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [
            event(
                "ProvisioningFailed",
                "no such class",
                kind="PersistentVolumeClaim",
                last="2030-01-01T11:59:55Z",
            )
        ],
        not_ready(
            "ClaimPending",
            "A claim has no volume yet (the pod mounts data, more): no such class",
            "Pending",
            PLACED,
        ),
    ),
    "an Event of a claim from long before the pod was created does not count": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [
            event(
                "ProvisioningFailed",
                "no such class",
                kind="PersistentVolumeClaim",
                last="2030-01-01T11:00:00Z",
            )
        ],
        not_ready(
            "ClaimPending",
            f"A claim has no volume yet (the pod mounts data, more): {UNBOUND}",
            "Pending",
            PLACED,
        ),
    ),
    "an image cannot be pulled": (
        box(**waits("ErrImagePull", "no such host")),
        [],
        not_ready(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled: no such host",
            "Failing",
            READY_SINCE,
        ),
    ),
    "the kubelet waits before it pulls an image again": (
        box(**waits("ImagePullBackOff", 'Back-off pulling image "debian": ErrImagePull: no such host')),
        [],
        not_ready(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled: no such host",
            "Failing",
            READY_SINCE,
        ),
    ),
    "the kubelet waits, and does not repeat why": (
        box(**waits("ImagePullBackOff", 'Back-off pulling image "debian"')),
        [],
        not_ready(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled",
            "Failing",
            READY_SINCE,
        ),
    ),
    "the secret for the image is missing": (
        box(**waits("ErrImagePull", "denied")),
        [event("FailedToRetrieveImagePullSecret", "no secret"), event("FailedMount", "another matter")],
        not_ready(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled: denied; no secret",
            "Failing",
            READY_SINCE,
        ),
    ),
    "an image has no valid name": (
        box(**waits("InvalidImageName", "invalid reference format")),
        [],
        not_ready(
            "InvalidImageName", "Container devserver: invalid reference format", "Failing", READY_SINCE
        ),
    ),
    "a reason that a condition does not accept": (
        box(**waits("not a reason\x1b", "what?")),
        [],
        not_ready("ContainerWaiting", "Container devserver: what?", "Failing", READY_SINCE),
    ),
    "an init container crashes": (
        box(
            initContainerStatuses=[
                {
                    "name": "tools",
                    "restartCount": 1,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
                }
            ],
            **waits("PodInitializing"),
        ),
        [],
        not_ready(
            "CrashLoopBackOff",
            "Container tools has ended 2 times, the last time with exit code 1 (Error)",
            "Failing",
            READY_SINCE,
        ),
    ),
    "a volume cannot be mounted": (
        box(*SANDBOX, **CREATING),
        [NOT_MOUNTED],
        not_ready("FailedMount", "A volume cannot be mounted: no such directory", "Failing", READY_SINCE),
    ),
    "a volume cannot be attached": (
        box(*SANDBOX, **CREATING),
        [NOT_ATTACHED],
        not_ready("FailedMount", "A volume cannot be mounted: Multi-Attach error", "Failing", READY_SINCE),
    ),
    "kubelet waited in vain for a volume": (
        box(*SANDBOX, **CREATING),
        [IN_VAIN, NOT_ATTACHED],
        not_ready("FailedMount", "A volume cannot be mounted: Multi-Attach error", "Failing", READY_SINCE),
    ),
    "a volume has been mounted meanwhile": (
        box(*STARTED, **CREATING),
        [NOT_MOUNTED],
        not_ready("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "a volume of an earlier sandbox": (
        box(*SANDBOX, **CREATING),
        [event("FailedMount", "no", last=PLACED)],
        not_ready("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "a volume of an earlier pod": (
        box(*SANDBOX, **CREATING),
        [event("FailedMount", "no", uid="another")],
        not_ready("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "no sandbox can be made": (
        box(*SANDBOX, **CREATING),
        [event("FailedCreatePodSandBox", 'no runtime for "gvisor" is configured')],
        not_ready(
            "FailedCreatePodSandBox",
            'The pod cannot be set up: no runtime for "gvisor" is configured',
            "Failing",
            READY_SINCE,
        ),
    ),
    "no sandbox can be made, once the volumes are mounted": (
        box(*SANDBOX, **CREATING),
        [
            event("FailedMount", "no cache yet", last=READY_SINCE),
            event("FailedCreatePodSandBox", "no runtime"),
        ],
        not_ready("FailedCreatePodSandBox", "The pod cannot be set up: no runtime", "Failing", READY_SINCE),
    ),
    "it was evicted": (
        box(**EVICTED),
        [],
        not_ready(
            "Evicted",
            "The pod failed and is replaced: Container devserver exceeded its limit",
            "Failing",
            READY_SINCE,
        ),
    ),
    "it was evicted and is being deleted": (
        box(meta=DELETED, **EVICTED),
        [],
        not_ready(
            "Evicted",
            "The pod failed and is replaced: Container devserver exceeded its limit",
            "Failing",
            READY_SINCE,
        ),
    ),
    "it was active for too long": (
        box(phase="Failed", reason="DeadlineExceeded"),
        [],
        not_ready(
            "DeadlineExceeded",
            "The pod failed and is replaced: DeadlineExceeded",
            "Failing",
            READY_SINCE,
        ),
    ),
    "it failed without a reason": (
        box(phase="Failed"),
        [],
        not_ready("PodFailed", "The pod failed and is replaced: PodFailed", "Failing", READY_SINCE),
    ),
    "it is ending": (
        box(meta=DELETED),
        [],
        not_ready(
            "PodEnding",
            "The earlier pod is ending; it should be gone by 2030-01-01T12:01:10Z",
            "Starting",
            "2030-01-01T12:01:00Z",
        ),
    ),
    "it is ending and its container was stopped": (
        box(meta=DELETED, phase="Failed"),
        [],
        not_ready(
            "PodEnding",
            "The earlier pod is ending; it should be gone by 2030-01-01T12:01:10Z",
            "Starting",
            "2030-01-01T12:01:00Z",
        ),
    ),
    "a finalizer holds it, after its node was lost": (
        box(
            *ON_NODE,
            {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByTaintManager",
                "message": "deleting due to NoExecute taint",
            },
            meta=DELETED | {"finalizers": ["example.com/hold"]},
        ),
        [],
        not_ready(
            "PodEnding",
            "The earlier pod is ending; it should be gone by 2030-01-01T12:01:10Z, but finalizers keep it: "
            "example.com/hold. It was ended by DeletionByTaintManager: deleting due to NoExecute taint",
            "Starting",
            "2030-01-01T12:01:00Z",
        ),
    ),
    "its node has stopped reporting": (
        box(
            {"type": "Ready", "status": "False", "lastTransitionTime": EVENT_AT},
            {"type": "ContainersReady", "status": "True", "lastTransitionTime": READY_SINCE},
            spec={"nodeName": "rack-1"},
        ),
        [],
        not_ready(
            "NodeNotReady",
            "The node rack-1 does not respond, so it is unknown whether the pod still runs.",
            "Failing",
            EVENT_AT,
        ),
    ),
}


@pytest.mark.parametrize(("pod", "events", "expected"), CASES.values(), ids=CASES.keys())
def test_diagnosis(pod: Object, events: list[PodEvent], expected: Readiness) -> None:
    assert diagnose(pod, events) == expected


HOSTILE = "\x1b]0;owned\x07 <{%reset%}>\u202e\n" + "y" * 5000


@pytest.mark.parametrize(
    ("pod", "events"),
    [
        (box(**waits("ErrImagePull", HOSTILE)), []),
        (box(**waits("Odd", HOSTILE)), []),
        (box(no_node(HOSTILE)), []),
        (box(phase="Failed", reason=HOSTILE, message=HOSTILE), []),
        (box(meta=DELETED | {"finalizers": [HOSTILE]}), []),
    ],
    ids=["image", "container", "scheduler", "kubelet", "finalizer"],
)
def test_what_others_wrote_becomes_one_short_line(pod: Object, events: list[PodEvent]) -> None:
    found = diagnose(pod, events).condition
    assert found.message.isprintable()
    assert "owned" in found.message
    assert len(found.message) < 1500
    assert found.reason.isalnum()


# --- whatever kubelet and others write

TIMES = st.sampled_from([CREATED, PLACED, READY_SINCE, None])
WORDS = st.one_of(
    st.text(max_size=40), st.sampled_from(["CrashLoopBackOff", "ErrImagePull", "Unschedulable", "Evicted"])
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """An object of which any field may be missing."""
    return st.fixed_dictionaries({}, optional=fields)


ENDED = some(exitCode=st.integers(0, 255), reason=WORDS, message=WORDS, startedAt=TIMES, finishedAt=TIMES)
STATES = some(waiting=some(reason=WORDS, message=WORDS), running=some(startedAt=TIMES), terminated=ENDED)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["tools", "devserver"])},
        optional={
            "image": WORDS,
            "ready": st.booleans(),
            "restartCount": st.integers(0, 9),
            "state": STATES,
            "lastState": some(terminated=ENDED),
        },
    ),
    max_size=2,
)
CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Ready", "ContainersReady", "PodScheduled", "DisruptionTarget"]),
            "status": st.sampled_from(["True", "False", "Unknown"]),
        },
        optional={"reason": WORDS, "message": WORDS, "lastTransitionTime": TIMES},
    ),
    max_size=4,
)
STATUSES = some(
    phase=st.sampled_from(["Pending", "Running", "Failed"]),
    reason=WORDS,
    message=WORDS,
    conditions=CONDITIONS,
    initContainerStatuses=CONTAINERS,
    containerStatuses=CONTAINERS,
)


@given(STATUSES, st.booleans())
def test_any_status_of_a_pod_makes_a_condition(status: Object, ends: bool) -> None:
    made = pod(status=status, **(DELETED if ends else {}))
    found = diagnose(made).condition
    assert found.message.isprintable()
    fields = {"type": "Ready", "status": "False", "lastTransitionTime": CREATED}
    Condition.model_validate(fields | {"reason": found.reason, "message": found.message})
