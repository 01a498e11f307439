"""Which failures the change of another object makes worth a new try."""

from typing import Any

import pytest

from reconciler.controller.retries import quota_freed, was_stopped_by_namespace, was_stopped_by_quota
from reconciler.controller.workqueue import Key
from reconciler.kinds.devserver.pod.events import essence
from reconciler.kinds.devserver.pod.refusals import Refusal, refusal
from reconciler.status.errors import WaitingError

BOX = Key("DevServer", "dev-ada", "box")
ADA = Key("DevServerUser", "", "ada")
FULL = WaitingError(
    "QuotaExceeded", 'services "box" is forbidden: exceeded quota: few, requested: services=1'
)


def quota(hard: dict[str, str], used: dict[str, str]) -> dict[str, Any]:
    return {"status": {"hard": hard, "used": used}}


@pytest.mark.parametrize(
    ("new", "gives_way"),
    [
        (quota({"services": "4"}, {"services": "2"}), True),
        (quota({"services": "2"}, {"services": "1"}), True),
        (quota({}, {}), True),
        (None, True),
        (quota({"services": "2"}, {"services": "2"}), False),
        (quota({"services": "1"}, {"services": "2"}), False),
        (quota({"services": "2", "memory": "1Gi"}, {"services": "2", "memory": "0"}), False),
    ],
    ids=["raised", "used less", "not limited any more", "gone", "as it was", "lowered", "limits more"],
)
def test_a_quota_gives_way_when_it_has_more_room_for_something(new: Any, gives_way: bool) -> None:
    assert quota_freed(quota({"services": "2"}, {"services": "2"}), new) is gives_way


def test_room_is_counted_in_quantities() -> None:
    before = quota({"memory": "1Gi"}, {"memory": "1024Mi"})
    assert quota_freed(before, quota({"memory": "1Gi"}, {"memory": "1073741824"})) is False
    assert quota_freed(before, quota({"memory": "1Gi"}, {"memory": "1023Mi"}))


def test_a_quota_that_has_no_status_yet_has_nothing_to_give() -> None:
    assert quota_freed({}, quota({"services": "2"}, {})) is False


@pytest.mark.parametrize(
    ("key", "namespace", "name", "stopped"),
    [
        (BOX, "dev-ada", "few", True),
        (BOX, "dev-bob", "few", False),
        (BOX, "dev-ada", "fe", False),
        (ADA, "dev-ada", "few", True),
    ],
    ids=["its own", "of another namespace", "of another name", "of a user's namespace"],
)
def test_a_quota_relieves_whom_it_stopped(key: Key, namespace: str, name: str, stopped: bool) -> None:
    assert was_stopped_by_quota(key, FULL, namespace, name) is stopped
    assert not was_stopped_by_quota(key, WaitingError("RunFailed", FULL.message), namespace, name)


# --- pods


def test_an_event_tells_whose_pod_was_refused_and_why() -> None:
    event = {
        "metadata": {"name": "box.1", "namespace": "dev-ada", "uid": "e", "resourceVersion": "7"},
        "involvedObject": {"kind": "StatefulSet", "namespace": "dev-ada", "name": "box", "uid": "s"},
        "message": 'create Pod box-0 in StatefulSet box failed error: pods "box-0" is forbidden: '
        "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0",
        "source": {"component": "statefulset-controller"},
        "firstTimestamp": "2030-01-01T12:00:00Z",
        "lastTimestamp": "2030-01-01T12:05:00Z",
    }
    where, found = refusal(essence(event))
    assert where == ("dev-ada", "box")
    assert found.uid == "s"
    assert found.message.startswith('pods "box-0" is forbidden: ')
    assert found.reason == "QuotaExceeded"
    assert found.since == "2030-01-01T12:00:00Z"
    assert not found.relieved
    assert not found.relieved_by("other").relieved
    assert found.relieved_by("few").relieved_by("other").relieved
    assert "source" not in essence(event)


def test_a_pod_that_was_refused_for_no_quota_says_so_too() -> None:
    assert Refusal("s", 'pods "box-0" is forbidden: violates PodSecurity').reason == "PodRefused"


def test_where_only_restricted_pods_get_in_the_message_names_the_flavors_field() -> None:
    why = 'pods "box-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (...)'
    event = {
        "metadata": {"name": "box.1", "namespace": "dev-ada", "uid": "e", "resourceVersion": "7"},
        "involvedObject": {"kind": "StatefulSet", "namespace": "dev-ada", "name": "box", "uid": "s"},
        "message": f"create Pod box-0 in StatefulSet box failed error: {why}",
    }
    _, found = refusal(essence(event))
    assert found.reason == "PodRefused"
    assert found.message.startswith(
        "this namespace needs a flavor whose spec.securityProfile is restricted: "
    )
    assert found.message.endswith(why)


def test_a_namespace_that_is_gone_relieves_whom_it_stopped() -> None:
    message = "unable to create new content in namespace dev-ada because it is being terminated"
    stopped = WaitingError("NamespaceTerminating", message)
    assert was_stopped_by_namespace(stopped, "dev-ada")
    assert not was_stopped_by_namespace(stopped, "dev-a")
