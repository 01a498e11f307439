"""Which fields are ours, read from what the API server records."""

import json
from typing import Any

import pytest

from reconciler.kube.managed_fields import lost_fields, managed_fields, with_managed_fields
from stacks.metadata import MANAGER


def entry(fields: Any, manager: str = MANAGER, operation: str = "Apply", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def obj(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "box", "managedFields": list(entries)}}


OURS = {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("entries", "fields"),
    [
        ([entry(OURS)], OURS),
        ([entry({"f:x": {}}, manager="kubectl"), entry(OURS)], OURS),
        ([entry({"f:status": {}}, subresource="status"), entry(OURS)], OURS),
        ([entry({"f:x": {}}, operation="Update"), entry(OURS)], OURS),
        ([entry({"f:x": {}}, manager="kubectl")], {}),
        ([], {}),
    ],
    ids=[
        "the only one",
        "among others",
        "not that of a subresource",
        "not that of updates",
        "none of ours",
        "none",
    ],
)
def test_our_entry_is_what_we_applied(entries: list[dict[str, Any]], fields: Any) -> None:
    assert json.loads(managed_fields(obj(*entries))) == fields


def test_an_object_without_the_record_has_nothing_of_ours() -> None:
    assert managed_fields({"metadata": {"name": "box"}}) == "{}"


def test_only_our_entry_is_kept_in_memory_and_once_for_all_objects_of_a_shape() -> None:
    def owned_by(uid: str) -> dict[str, Any]:
        return obj(
            entry({"f:metadata": {"f:ownerReferences": {f'k:{{"uid":"{uid}"}}': {}}}}), entry({}, manager="x")
        )

    one = with_managed_fields(owned_by("0a1b-2c"))
    two = with_managed_fields(owned_by("3d4e-5f"))
    assert "managedFields" not in one["metadata"]
    assert managed_fields(one) is managed_fields(two)
    assert "0a1b" not in managed_fields(one)


LOST: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "nothing": (OURS, OURS, ()),
    "a field": (OURS, {}, ("spec.replicas",)),
    "more of ours is no loss": (OURS, {"f:spec": {"f:replicas": {}, "f:template": {}}}, ()),
    "a label with dots": (
        {"f:metadata": {"f:labels": {"f:devserver.io/uid": {}}}},
        {"f:metadata": {"f:labels": {}}},
        ("metadata.labels.devserver.io/uid",),
    ),
    "a field of a list's item": (
        {
            "f:ports": {
                'k:{"port":22,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:targetPort": {}},
            }
        },
        {"f:ports": {'k:{"port":22,"protocol":"TCP"}': {".": {}, "f:port": {}}}},
        ("ports[port=22,protocol=TCP].targetPort",),
    ),
    "an item": (
        {"f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}}, 'k:{"name":"B"}': {".": {}, "f:name": {}}}},
        {"f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}}}},
        ("env[name=B].name",),
    ),
    "a value of a set": (
        {"f:finalizers": {'v:"a"': {}, 'v:"b"': {}}},
        {"f:finalizers": {'v:"a"': {}}},
        ('finalizers["b"]',),
    ),
    "several, in order": (
        {"f:data": {"f:b": {}, "f:a": {}}},
        {},
        ("data.a", "data.b"),
    ),
}


@pytest.mark.parametrize(("before", "after", "paths"), LOST.values(), ids=LOST.keys())
def test_what_is_lost(before: Any, after: Any, paths: tuple[str, ...]) -> None:
    assert lost_fields(json.dumps(before), json.dumps(after)) == paths
