"""Which changes of nodes and pods are relevant to scheduling, and that nothing else is kept of them."""

from copy import deepcopy
from typing import Any

import pytest

from reconciler.kinds.flavor.scheduling import capacity
from reconciler.kinds.flavor.scheduling.capacity import relevant
from tests.flavors.cases import Node, Pod, container

Object = dict[str, Any]
NODE = Node({"pods": 110}, {"disk": "ssd"}).manifest("one", "case")
POD = Pod("1", spec={"priority": 5}).manifest("p", "one")
POD["metadata"] |= {"namespace": "ns", "uid": "u", "resourceVersion": "7"}


def changed(obj: Object, path: str, value: Any) -> Object:
    made = deepcopy(obj)
    *parents, last = path.split(".")
    at = made
    for name in parents:
        at = at.setdefault(name, {})
    at[last] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "is_relevant"),
    [
        ("status.nodeInfo", {"kubeletVersion": "v1"}, False),
        ("status.images", [{"names": ["a"]}], False),
        ("metadata.resourceVersion", "8", False),
        ("metadata.annotations", {"a": "b"}, False),
        ("metadata.labels", {"disk": "hdd"}, True),
        ("status.allocatable", {"cpu": "3"}, True),
        ("spec.unschedulable", True, True),
        ("spec.taints", [{"key": "a", "effect": "NoSchedule"}], True),
        ("spec.taints", [{"key": "a", "effect": "PreferNoSchedule"}], False),
        ("status.conditions", [{"type": "Ready", "status": "False"}], True),
        ("status.conditions", [{"type": "Ready", "status": "True", "lastHeartbeatTime": "now"}], False),
        ("status.conditions", [], True),
    ],
)
def test_which_changes_of_a_node_are_relevant(path: str, value: Any, is_relevant: bool) -> None:
    before, after = map(capacity.reduce_node, (NODE, changed(NODE, path, value)))
    assert (relevant(before) != relevant(after)) is is_relevant


@pytest.mark.parametrize(
    ("path", "value", "is_relevant"),
    [
        ("status.conditions", [{"type": "Ready", "status": "True"}], False),
        ("status.podIP", "10.0.0.1", False),
        ("metadata.labels", {"a": "b"}, False),
        ("metadata.deletionTimestamp", "2030-01-01T08:00:00Z", False),
        ("spec.nodeName", "two", True),
        ("spec.priority", 6, True),
        ("spec.containers", [container("main", cpu="2")], True),
        ("spec.overhead", {"cpu": "1"}, True),
    ],
)
def test_which_changes_of_a_pod_are_relevant(path: str, value: Any, is_relevant: bool) -> None:
    before, after = map(capacity.reduce_pod, (POD, changed(POD, path, value)))
    assert (relevant(before) != relevant(after)) is is_relevant


def test_nothing_is_relevant_of_a_pod_without_a_node_unless_it_is_nominated_to_one() -> None:
    waiting = changed(POD, "spec.nodeName", "")
    assert relevant(capacity.reduce_pod(waiting)) is None
    nominated = relevant(capacity.reduce_pod(changed(waiting, "status.nominatedNodeName", "one")))
    assert (nominated.node, nominated.nominated) == ("one", True)


def test_only_the_relevant_part_is_kept_and_equal_requests_share_one_copy() -> None:
    kept = capacity.reduce_pod(POD)
    assert kept.keys() == {"metadata", "relevant"}
    assert kept["metadata"] == {"namespace": "ns", "name": "p", "uid": "u", "resourceVersion": "7"}
    other = capacity.reduce_pod(changed(POD, "metadata.name", "q"))
    assert relevant(kept).requests is relevant(other).requests
