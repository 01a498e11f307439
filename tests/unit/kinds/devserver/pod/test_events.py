"""Events of pods and of the claims that they mount."""

from typing import Any

import pytest

from reconciler.kinds.devserver.pod.events import InvolvedObject, PodEvents, reduce_event
from tests.builders import pod

Object = dict[str, Any]
FIRST, LAST = "2030-01-01T12:00:00Z", "2030-01-01T12:05:00Z"


def event(
    kind: str = "Pod", name: str = "box-0", id_: str = "1", message: str = "no", **fields: Any
) -> Object:
    return {
        "metadata": {"name": f"{name}.{id_}", "namespace": "dev-ada", "uid": id_, "resourceVersion": "7"},
        "involvedObject": {"kind": kind, "namespace": "dev-ada", "name": name, "uid": f"uid-of-{name}"},
        "reason": "FailedMount",
        "message": message,
        "source": {"component": "kubelet"},
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "first", "last"),
    [
        ({"firstTimestamp": FIRST, "lastTimestamp": LAST}, FIRST, LAST),
        ({"eventTime": "2030-01-01T12:00:00.123456Z"}, FIRST, FIRST),
        (
            {
                "eventTime": "2030-01-01T12:00:00.123456Z",
                "series": {"lastObservedTime": "2030-01-01T12:05:00.987654Z"},
            },
            FIRST,
            LAST,
        ),
        ({}, "", ""),
    ],
    ids=["core API", "events.k8s.io", "events.k8s.io, repeated", "without times"],
)
def test_both_forms_of_events_have_times_to_the_second(fields: Object, first: str, last: str) -> None:
    reduced = reduce_event(event(**fields))
    assert (reduced["first"], reduced["last"]) == (first, last)


def test_an_event_without_times_happened_when_it_was_created() -> None:
    made = event()
    made["metadata"]["creationTimestamp"] = FIRST
    assert reduce_event(made)["first"] == FIRST


def test_little_is_kept_of_an_event_and_its_message_becomes_one_short_line() -> None:
    reduced = reduce_event(event(message="no such\n directory " + "x" * 5000))
    assert "source" not in reduced
    assert reduced["message"].startswith("no such directory xxx")
    assert len(reduced["message"]) <= 1000


def test_a_pod_has_its_own_events_and_those_of_the_claims_that_it_mounts() -> None:
    events = PodEvents()
    assert events.change(None, reduce_event(event())) == InvolvedObject("Pod", "dev-ada", "box-0")
    events.change(None, reduce_event(event("PersistentVolumeClaim", "box-home")))
    events.change(None, reduce_event(event("PersistentVolumeClaim", "another-home")))
    events.change(None, reduce_event(event(name="another-0")))
    claim = {"name": "home", "persistentVolumeClaim": {"claimName": "box-home"}}
    box = pod() | {"spec": {"volumes": [{"name": "tools", "emptyDir": {}}, claim]}}
    assert [found.uid for found in events.of(box)] == ["uid-of-box-0", "uid-of-box-home"]


def test_a_changed_event_takes_the_place_of_the_earlier_one_and_a_deleted_one_is_gone() -> None:
    events = PodEvents()
    older, newer, other = (
        reduce_event(event(id_=id_, message=message))
        for id_, message in (("1", "older"), ("1", "newer"), ("2", "other"))
    )
    events.change(None, older)
    events.change(older, newer)
    events.change(None, other)
    assert [found.message for found in events.of(pod())] == ["newer", "other"]
    events.change(newer, None)
    assert [found.message for found in events.of(pod())] == ["other"]
    events.change(other, None)
    assert events.of(pod()) == ()
