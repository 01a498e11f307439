"""Why a pod is not ready, by one stable reason, with the cluster's own words and times."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds import Condition
from reconciler.pod_events import Told
from reconciler.pod_trouble import Trouble, trouble
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


def told(reason: str, message: str, last: str = EVENT_AT, **more: str) -> Told:
    return Told(
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
NOT_ATTACHED = told("FailedAttachVolume", "Multi-Attach error")
NOT_MOUNTED = told("FailedMount", "no such directory")
IN_VAIN = told("FailedMount", "Unable to attach or mount volumes: timed out", last="2030-01-01T12:02:00Z")

CASES: dict[str, tuple[Object, list[Told], Trouble]] = {
    "it starts": (
        box(**CREATING),
        [],
        Trouble("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "no node has room": (
        box(no_node("0/1 nodes are available: 1 Insufficient cpu.")),
        [],
        Trouble(
            "Unschedulable",
            "Waiting for a node: 0/1 nodes are available: 1 Insufficient cpu.",
            "Pending",
            PLACED,
        ),
    ),
    "a gate holds it back": (
        box(no_node("Scheduling is blocked", "SchedulingGated")),
        [],
        Trouble("SchedulingGated", "Waiting for a node: Scheduling is blocked", "Pending", PLACED),
    ),
    "a claim is missing": (
        box(no_node(GONE)),
        [],
        Trouble("ClaimMissing", f"A claim that the pod mounts is missing: {GONE}", "Pending", PLACED),
    ),
    "a claim has no volume, and nobody says why": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [],
        Trouble(
            "ClaimPending",
            f"A claim has no volume yet (the pod mounts data, more): {UNBOUND}",
            "Pending",
            PLACED,
        ),
    ),
    "a claim has no volume for want of its class": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [told("ProvisioningFailed", "no such class", kind="PersistentVolumeClaim")],
        Trouble(
            "ClaimPending",
            "A claim has no volume yet (the pod mounts data, more): no such class",
            "Pending",
            PLACED,
        ),
    ),
    "what was told of a claim just before the pod was made counts": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [
            told(
                "ProvisioningFailed",
                "no such class",
                kind="PersistentVolumeClaim",
                last="2030-01-01T11:59:55Z",
            )
        ],
        Trouble(
            "ClaimPending",
            "A claim has no volume yet (the pod mounts data, more): no such class",
            "Pending",
            PLACED,
        ),
    ),
    "what was told of a claim long before the pod was made counts no more": (
        box(no_node(UNBOUND), spec=CLAIMS),
        [
            told(
                "ProvisioningFailed",
                "no such class",
                kind="PersistentVolumeClaim",
                last="2030-01-01T11:00:00Z",
            )
        ],
        Trouble(
            "ClaimPending",
            f"A claim has no volume yet (the pod mounts data, more): {UNBOUND}",
            "Pending",
            PLACED,
        ),
    ),
    "an image is pulled in vain": (
        box(**waits("ErrImagePull", "no such host")),
        [],
        Trouble(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled: no such host",
            "Failing",
            READY_SINCE,
        ),
    ),
    "an image will be pulled again": (
        box(**waits("ImagePullBackOff", 'Back-off pulling image "debian": ErrImagePull: no such host')),
        [],
        Trouble(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled: no such host",
            "Failing",
            READY_SINCE,
        ),
    ),
    "a kubelet does not repeat why": (
        box(**waits("ImagePullBackOff", 'Back-off pulling image "debian"')),
        [],
        Trouble(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled",
            "Failing",
            READY_SINCE,
        ),
    ),
    "the secret for the image is missing": (
        box(**waits("ErrImagePull", "denied")),
        [told("FailedToRetrieveImagePullSecret", "no secret"), told("FailedMount", "another matter")],
        Trouble(
            "ImagePullBackOff",
            "The image debian of container devserver cannot be pulled: denied; no secret",
            "Failing",
            READY_SINCE,
        ),
    ),
    "an image has no valid name": (
        box(**waits("InvalidImageName", "invalid reference format")),
        [],
        Trouble("InvalidImageName", "Container devserver: invalid reference format", "Failing", READY_SINCE),
    ),
    "a reason that is none": (
        box(**waits("not a reason\x1b", "what?")),
        [],
        Trouble("ContainerWaiting", "Container devserver: what?", "Failing", READY_SINCE),
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
        Trouble(
            "CrashLoopBackOff",
            "Container tools has ended 2 times, the last time with exit code 1 (Error)",
            "Failing",
            READY_SINCE,
        ),
    ),
    "a volume cannot be mounted": (
        box(*SANDBOX, **CREATING),
        [NOT_MOUNTED],
        Trouble("FailedMount", "A volume cannot be mounted: no such directory", "Failing", READY_SINCE),
    ),
    "a volume cannot be attached": (
        box(*SANDBOX, **CREATING),
        [NOT_ATTACHED],
        Trouble("FailedMount", "A volume cannot be mounted: Multi-Attach error", "Failing", READY_SINCE),
    ),
    "kubelet waited in vain for a volume": (
        box(*SANDBOX, **CREATING),
        [IN_VAIN, NOT_ATTACHED],
        Trouble("FailedMount", "A volume cannot be mounted: Multi-Attach error", "Failing", READY_SINCE),
    ),
    "a volume is mounted by now": (
        box(*STARTED, **CREATING),
        [NOT_MOUNTED],
        Trouble("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "a volume of an earlier sandbox": (
        box(*SANDBOX, **CREATING),
        [told("FailedMount", "no", last=PLACED)],
        Trouble("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "a volume of an earlier pod": (
        box(*SANDBOX, **CREATING),
        [told("FailedMount", "no", uid="another")],
        Trouble("PodStarting", "The containers are starting.", "Starting", CREATED),
    ),
    "no sandbox can be made": (
        box(*SANDBOX, **CREATING),
        [told("FailedCreatePodSandBox", 'no runtime for "gvisor" is configured')],
        Trouble(
            "FailedCreatePodSandBox",
            'The pod cannot be set up: no runtime for "gvisor" is configured',
            "Failing",
            READY_SINCE,
        ),
    ),
    "no sandbox can be made, once the volumes are mounted": (
        box(*SANDBOX, **CREATING),
        [told("FailedMount", "no cache yet", last=READY_SINCE), told("FailedCreatePodSandBox", "no runtime")],
        Trouble("FailedCreatePodSandBox", "The pod cannot be set up: no runtime", "Failing", READY_SINCE),
    ),
    "it was evicted": (
        box(**EVICTED),
        [],
        Trouble(
            "Evicted",
            "The pod failed and is replaced: Container devserver exceeded its limit",
            "Failing",
            READY_SINCE,
        ),
    ),
    "it was evicted and is being deleted": (
        box(meta=DELETED, **EVICTED),
        [],
        Trouble(
            "Evicted",
            "The pod failed and is replaced: Container devserver exceeded its limit",
            "Failing",
            READY_SINCE,
        ),
    ),
    "it was active for too long": (
        box(phase="Failed", reason="DeadlineExceeded"),
        [],
        Trouble(
            "DeadlineExceeded",
            "The pod failed and is replaced: DeadlineExceeded",
            "Failing",
            READY_SINCE,
        ),
    ),
    "it failed and says no word": (
        box(phase="Failed"),
        [],
        Trouble("PodFailed", "The pod failed and is replaced: PodFailed", "Failing", READY_SINCE),
    ),
    "it is ending": (
        box(meta=DELETED),
        [],
        Trouble(
            "PodEnding",
            "The earlier pod is ending; it should be gone by 2030-01-01T12:01:10Z",
            "Starting",
            "2030-01-01T12:01:00Z",
        ),
    ),
    "it is ending and its container was stopped": (
        box(meta=DELETED, phase="Failed"),
        [],
        Trouble(
            "PodEnding",
            "The earlier pod is ending; it should be gone by 2030-01-01T12:01:10Z",
            "Starting",
            "2030-01-01T12:01:00Z",
        ),
    ),
    "its end is held up, after its node was lost": (
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
        Trouble(
            "PodEnding",
            "The earlier pod is ending; it should be gone by 2030-01-01T12:01:10Z, but finalizers keep it: "
            "example.com/hold. It was ended by DeletionByTaintManager: deleting due to NoExecute taint",
            "Starting",
            "2030-01-01T12:01:00Z",
        ),
    ),
    "its node is silent": (
        box(
            {"type": "Ready", "status": "False", "lastTransitionTime": EVENT_AT},
            {"type": "ContainersReady", "status": "True", "lastTransitionTime": READY_SINCE},
            spec={"nodeName": "rack-1"},
        ),
        [],
        Trouble(
            "NodeNotReady",
            "The node rack-1 does not respond, so it is unknown whether the pod still runs.",
            "Failing",
            EVENT_AT,
        ),
    ),
}


@pytest.mark.parametrize(("pod", "told", "expected"), CASES.values(), ids=CASES.keys())
def test_trouble(pod: Object, told: list[Told], expected: Trouble) -> None:
    assert trouble(pod, told) == expected


HOSTILE = "\x1b]0;owned\x07 <{%reset%}>\u202e\n" + "y" * 5000


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        (box(**waits("ErrImagePull", HOSTILE)), []),
        (box(**waits("Odd", HOSTILE)), []),
        (box(no_node(HOSTILE)), []),
        (box(phase="Failed", reason=HOSTILE, message=HOSTILE), []),
        (box(meta=DELETED | {"finalizers": [HOSTILE]}), []),
    ],
    ids=["image", "container", "scheduler", "kubelet", "finalizer"],
)
def test_what_others_wrote_is_one_short_line(pod: Object, told: list[Told]) -> None:
    found = trouble(pod, told)
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
    found = trouble(made)
    assert found.message.isprintable()
    fields = {"type": "Ready", "status": "False", "lastTransitionTime": CREATED}
    Condition.model_validate(fields | {"reason": found.reason, "message": found.message})
