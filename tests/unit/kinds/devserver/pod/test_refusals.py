"""Refused pods, as the StatefulSet's controller reports them in Events."""

from typing import Any

from reconciler.kinds.devserver.pod.events import reduce_event
from reconciler.kinds.devserver.pod.refusals import Refusal, refusal

Object = dict[str, Any]


def event(why: str, **fields: Any) -> Object:
    return reduce_event(
        {
            "metadata": {"name": "box.1", "namespace": "dev-ada", "uid": "e", "resourceVersion": "7"},
            "involvedObject": {"kind": "StatefulSet", "namespace": "dev-ada", "name": "box", "uid": "s"},
            "message": f"create Pod box-0 in StatefulSet box failed error: {why}",
            **fields,
        }
    )


FULL = 'pods "box-0" is forbidden: exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0'


def test_an_event_names_the_stateful_set_and_why_its_pod_was_refused() -> None:
    where, found = refusal(
        event(FULL, firstTimestamp="2030-01-01T12:00:00Z", lastTimestamp="2030-01-01T12:05:00Z")
    )
    assert where == ("dev-ada", "box")
    assert found.uid == "s"
    assert found.message == FULL
    assert found.reason == "QuotaExceeded"
    assert found.since == "2030-01-01T12:00:00Z"


def test_only_the_quota_that_refused_a_pod_unblocks_it() -> None:
    _, found = refusal(event(FULL))
    assert not found.unblocked
    assert not found.unblocked_by("other").unblocked
    assert found.unblocked_by("few").unblocked_by("other").unblocked


def test_a_pod_that_no_quota_refused_has_another_reason() -> None:
    assert Refusal("s", 'pods "box-0" is forbidden: violates PodSecurity').reason == "PodRefused"


def test_where_only_restricted_pods_are_allowed_the_message_names_the_flavors_field() -> None:
    why = 'pods "box-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (...)'
    _, found = refusal(event(why))
    assert found.reason == "PodRefused"
    assert found.message.startswith(
        "this namespace needs a flavor whose spec.securityProfile is restricted: "
    )
    assert found.message.endswith(why)
