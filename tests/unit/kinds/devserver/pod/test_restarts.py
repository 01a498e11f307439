"""When the pod restarts, and what is asked of the API server for it."""

from typing import Any, cast

import pytest

from reconciler.kinds.devserver.pod.refusals import Refusal
from reconciler.kinds.devserver.pod.restarts import Restart, hasten, pending_restart, restart, restart_pending
from reconciler.kube.client import Client
from reconciler.kube.objects import Object
from stacks.devserver.program import DevServerChildren
from tests.builders import child_object, owner, pod
from tests.fake_client import FakeClient
from tests.unit.kinds.devserver.pod.test_readiness import DELETED, stateful_set

WORKLOAD = DevServerChildren.of(owner()).stateful_set


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
    found = pending_restart(workload, box, policy)
    assert (None if found is None else found.due) is due


@pytest.mark.parametrize(
    ("found", "pending"),
    [
        (None, False),
        (Restart(True, "The spec changed."), False),
        (Restart(False, "The flavor changed."), True),
    ],
    ids=["up to date", "restarted now", "restarted later"],
)
def test_a_restart_that_waits_is_a_condition(found: Restart | None, pending: bool) -> None:
    condition = restart_pending(found)
    assert (condition is not None) is pending
    if condition is not None:
        assert (condition.type, condition.status, condition.reason, condition.message) == (
            "RestartPending",
            "True",
            "TemplateChanged",
            "The flavor changed.",
        )


async def test_a_pod_is_deleted_to_restart_it() -> None:
    client = FakeClient()
    client.put(pod())
    await restart(cast(Client, client), pod())
    assert client.writes() == ["DELETE Pod box-0"]
    assert client.objects == {}


@pytest.mark.parametrize("unblocked", [True, False])
async def test_a_pod_for_which_there_is_room_now_is_hastened_once(unblocked: bool) -> None:
    client = FakeClient()
    client.put(child_object(WORKLOAD))
    refusal = Refusal("uid", "exceeded quota: few, requested: pods=1", unblocked=unblocked)
    refusals = {("dev-ada", "box"): refusal}
    for _ in range(2):
        await hasten(cast(Client, client), refusals, owner())
    assert client.writes() == (["PATCH StatefulSet box"] if unblocked else [])
