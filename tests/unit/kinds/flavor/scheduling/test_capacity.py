"""What is kept of nodes and pods, and that nothing else counts as a change."""

from copy import deepcopy
from typing import Any

import pytest

from reconciler.kinds.flavor.scheduling import capacity
from reconciler.kinds.flavor.scheduling.capacity import seen
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
    ("path", "value", "counts"),
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
def test_what_counts_of_a_node(path: str, value: Any, counts: bool) -> None:
    before, after = map(capacity.reduce_node, (NODE, changed(NODE, path, value)))
    assert (seen(before) != seen(after)) is counts


@pytest.mark.parametrize(
    ("path", "value", "counts"),
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
def test_what_counts_of_a_pod(path: str, value: Any, counts: bool) -> None:
    before, after = map(capacity.reduce_pod, (POD, changed(POD, path, value)))
    assert (seen(before) != seen(after)) is counts


def test_a_pod_that_waits_for_a_node_holds_nothing_unless_it_was_nominated() -> None:
    waiting = changed(POD, "spec.nodeName", "")
    assert seen(capacity.reduce_pod(waiting)) is None
    nominated = seen(capacity.reduce_pod(changed(waiting, "status.nominatedNodeName", "one")))
    assert (nominated.node, nominated.nominated) == ("one", True)


def test_little_is_kept_and_that_in_one_copy() -> None:
    kept = capacity.reduce_pod(POD)
    assert kept.keys() == {"metadata", "seen"}
    assert kept["metadata"] == {"namespace": "ns", "name": "p", "uid": "u", "resourceVersion": "7"}
    other = capacity.reduce_pod(changed(POD, "metadata.name", "q"))
    assert seen(kept).requests is seen(other).requests
