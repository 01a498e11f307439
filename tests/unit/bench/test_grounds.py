"""When a DevServer counts as applied, and what its children are compared with."""

import json
from typing import Any

import pytest

from bench.grounds import bare, is_applied, named_problem


def devserver(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "status": {"conditions": list(conditions)}}


READY = {"type": "Ready", "status": "False", "reason": "Stopped", "observedGeneration": 2}


@pytest.mark.parametrize(
    ("obj", "applied"),
    [
        (None, False),
        ({"metadata": {"generation": 1}}, False),
        (devserver(READY), True),
        (devserver({**READY, "observedGeneration": 1}), False),
        (devserver(READY, {"type": "Reconciling", "reason": "RunFailed"}), False),
        (devserver(READY, {"type": "Stalled", "reason": "NameConflict"}), False),
    ],
)
def test_a_devserver_is_applied_when_its_present_generation_is_and_nothing_is_left(
    obj: dict[str, Any] | None, applied: bool
) -> None:
    assert is_applied(obj) is applied


def test_a_problem_is_named_by_its_reason() -> None:
    assert named_problem(devserver(READY, {"type": "Stalled", "reason": "NameConflict"})) == "NameConflict"
    assert named_problem(devserver(READY)) is None
    assert named_problem(None) is None


def service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "box-ssh",
            "namespace": "bench",
            "uid": "1",
            "resourceVersion": "2",
            "labels": {"app.kubernetes.io/managed-by": "devserver-reconciler", "devserver.io/name": "box"},
            "ownerReferences": [{"kind": "DevServer", "name": "box"}],
            "managedFields": [{"manager": "devserver-reconciler"}],
        },
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def test_a_bare_child_is_the_same_object_under_another_name_and_belongs_to_nobody() -> None:
    live = service(clusterIP="10.0.0.7", clusterIPs=["10.0.0.7"], ports=[{"port": 22}])
    before = json.dumps(live)
    made = bare(live, "other", "bare-1", "box")
    assert made == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "bare-1-ssh",
            "namespace": "other",
            "labels": {"app.kubernetes.io/managed-by": "devserver-bench", "devserver.io/name": "bare-1"},
            "annotations": {},
        },
        "spec": {"ports": [{"port": 22}]},
    }
    assert json.dumps(live) == before


def test_a_headless_service_stays_headless() -> None:
    made = bare(service(clusterIP="None", clusterIPs=["None"]), "other", "bare-1", "box")
    assert made["spec"] == {"clusterIP": "None", "clusterIPs": ["None"]}
