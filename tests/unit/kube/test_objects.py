"""Which objects are the operator's own, and which life of a resource they belong to."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.kube.objects import belongs_to, is_managed
from stacks.devserver.program import DevServerChildren
from tests.builders import child_object, owner

Object = dict[str, Any]

NAMES = DevServerChildren.of(owner())


def bare(kind: str = "ConfigMap", namespace: str = "dev-ada", **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": namespace, **metadata}}


@pytest.mark.parametrize(
    ("labels", "managed"),
    [
        ({"app.kubernetes.io/managed-by": "devserver-reconciler"}, True),
        ({"app.kubernetes.io/managed-by": "Helm"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_is_managed(labels: Object | None, managed: bool) -> None:
    assert is_managed(bare(labels=labels)) is managed


def test_a_child_belongs_to_one_life_and_a_retained_one_to_every_life_of_the_name() -> None:
    earlier, other = replace(owner(), uid="earlier"), owner(name="other")
    for child, in_another_life in ((NAMES.sshd, False), (NAMES.home, True)):
        obj = child_object(child)
        assert belongs_to(obj, owner(), child)
        assert belongs_to(obj, earlier, child) is in_another_life
        assert not belongs_to(obj, other, child)
        assert not belongs_to({**obj, "metadata": {**obj["metadata"], "labels": {}}}, owner(), child)
