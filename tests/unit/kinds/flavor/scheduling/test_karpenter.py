"""What rules out that a NodePool brings a node for a pod."""

from typing import Any

import pytest

from crds import DevServerFlavorSpec
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.scheduling.karpenter import incompatibility, node_pool
from reconciler.kinds.flavor.scheduling.pod_info import PodInfo, pod_info

Object = dict[str, Any]
READY = [{"type": "Ready", "status": "True"}]
ZONE, ARCH = "topology.kubernetes.io/zone", "kubernetes.io/arch"


def needed(**spec: Any) -> PodInfo:
    return pod_info(DevServerFlavorSpec.model_validate(spec), Capacity())


def pool(
    *requirements: tuple[str, str, list[str]],
    labels: dict[str, str] | None = None,
    taints: list[Object] | None = None,
    limits: Object | None = None,
    used: Object | None = None,
    conditions: list[Object] = READY,
    **spec: Any,
) -> Object:
    template: Object = {
        "spec": {
            "requirements": [
                {"key": key, "operator": operator, **({"values": values} if values else {})}
                for key, operator, values in requirements
            ],
            "taints": taints,
        }
    }
    if labels:
        template["metadata"] = {"labels": labels}
    return {
        "metadata": {"name": "pool", "uid": "u", "resourceVersion": "1"},
        "spec": {"template": template, "limits": limits, **spec},
        "status": {"conditions": conditions, "resources": used},
    }


def reason(found: Object, **spec: Any) -> str:
    parsed = node_pool(found)
    assert parsed.fault == ""
    return incompatibility(needed(**spec), parsed)


@pytest.mark.parametrize(
    ("operator", "values", "value", "allows"),
    [
        ("In", ["a", "b"], "b", True),
        ("In", ["a", "b"], "c", False),
        ("NotIn", ["a", "b"], "c", True),
        ("NotIn", ["a", "b"], "a", False),
        ("Exists", [], "a", True),
        ("DoesNotExist", [], "a", False),
        ("Gt", ["3"], "4", True),
        ("Gt", ["3"], "3", False),
        ("Lt", ["3"], "2", True),
        ("Lt", ["3"], "3", False),
        ("Gte", ["3"], "3", True),
        ("Gte", ["3"], "2", False),
        ("Lte", ["3"], "3", True),
        ("Lte", ["3"], "4", False),
        ("Gt", ["9"], "10", True),
        ("Gt", ["3"], "many", False),
    ],
)
def test_each_operator(operator: str, values: list[str], value: str, allows: bool) -> None:
    found = reason(pool(("example.com/size", operator, values)), nodeSelector={"example.com/size": value})
    assert found == ("" if allows else f"no nodes with example.com/size={value}")


@pytest.mark.parametrize(
    ("found", "spec", "expected"),
    [
        (pool(), {}, ""),
        (pool((ZONE, "In", ["a"])), {}, ""),
        (pool(), {"nodeSelector": {ARCH: "amd64"}}, ""),
        (pool(), {"nodeSelector": {"karpenter.k8s.aws/instance-family": "p5"}}, ""),
        (pool(), {"nodeSelector": {"karpenter.sh/nodepool": "pool"}}, ""),
        (
            pool(),
            {"nodeSelector": {"karpenter.sh/nodepool": "other"}},
            "no nodes with karpenter.sh/nodepool=other",
        ),
        (pool(), {"nodeSelector": {"disk": "ssd"}}, "no nodes with disk=ssd"),
        (
            pool(),
            {"nodeSelector": {"kubernetes.io/hostname": "one"}},
            "no nodes with kubernetes.io/hostname=one",
        ),
        (pool(labels={"disk": "ssd"}), {"nodeSelector": {"disk": "ssd"}}, ""),
        (pool(labels={"disk": "hdd"}), {"nodeSelector": {"disk": "ssd"}}, "no nodes with disk=ssd"),
        (
            pool((ARCH, "In", ["arm64"])),
            {"nodeSelector": {"beta.kubernetes.io/arch": "amd64"}},
            "no nodes with beta.kubernetes.io/arch=amd64",
        ),
        (
            pool(("cores", "Gt", ["4"]), ("cores", "Lt", ["9"])),
            {"nodeSelector": {"cores": "16"}},
            "no nodes with cores=16",
        ),
        (pool(("cores", "Gt", ["4"]), ("cores", "Lt", ["9"])), {"nodeSelector": {"cores": "8"}}, ""),
    ],
    ids=[
        "no requirement",
        "a requirement that the flavor does not care for",
        "a label that every node has",
        "a label that a provider gives",
        "its own name",
        "another's name",
        "a label that it does not give",
        "one node by name",
        "a label of the template",
        "another label of the template",
        "an earlier name of a label",
        "outside a range",
        "within a range",
    ],
)
def test_the_node_selector_against_labels_and_requirements(
    found: Object, spec: Object, expected: str
) -> None:
    assert reason(found, **spec) == expected


@pytest.mark.parametrize(
    ("requirements", "possible"),
    [
        ([("In", ["a", "b"]), ("In", ["b", "c"])], True),
        ([("In", ["a"]), ("In", ["b"])], False),
        ([("In", ["a"]), ("NotIn", ["a"])], False),
        ([("In", ["1", "5"]), ("Gt", ["4"])], True),
        ([("In", ["1", "5"]), ("Gt", ["5"])], False),
        ([("Gt", ["4"]), ("Lt", ["6"])], True),
        ([("Gt", ["4"]), ("Lt", ["5"])], False),
        ([("Gte", ["4"]), ("Lte", ["4"])], True),
        ([("Exists", []), ("DoesNotExist", [])], False),
        ([("NotIn", ["a"]), ("DoesNotExist", [])], True),
        ([("Exists", []), ("NotIn", ["a"])], True),
    ],
)
def test_requirements_that_contradict_each_other_bring_no_node(
    requirements: list[tuple[str, list[str]]], possible: bool
) -> None:
    found = reason(pool(*(("size", operator, values) for operator, values in requirements)))
    assert found == ("" if possible else "no node can meet its requirements on size")


def taint(effect: str, key: str = "gpu") -> list[Object]:
    return [{"key": key, "effect": effect}]


TOLERATES = {"tolerations": [{"key": "gpu", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("found", "spec", "expected"),
    [
        (pool(taints=taint("NoSchedule")), {}, "its taint gpu:NoSchedule is not tolerated"),
        (pool(taints=taint("NoExecute")), {}, "its taint gpu:NoExecute is not tolerated"),
        (pool(taints=taint("PreferNoSchedule")), {}, ""),
        (pool(taints=taint("NoSchedule")), TOLERATES, ""),
        (pool(startupTaints=taint("NoSchedule")), {}, ""),
    ],
    ids=["not tolerated", "evicts", "only preferred", "tolerated", "for the start only"],
)
def test_taints(found: Object, spec: Object, expected: str) -> None:
    assert reason(found, **spec) == expected


@pytest.mark.parametrize(
    ("limits", "used", "cpu", "expected"),
    [
        (None, None, 64, ""),
        ({"cpu": "8"}, None, 8, ""),
        ({"cpu": "8"}, {"cpu": "0"}, 9, "its limit of cpu is reached"),
        ({"cpu": 8}, {"cpu": "6"}, 2, ""),
        ({"cpu": "8"}, {"cpu": "6"}, 3, "its limit of cpu is reached"),
        ({"cpu": "8000m"}, {"cpu": "10"}, 0, "its limit of cpu is reached"),
        ({"memory": "1Gi"}, {"cpu": "10"}, 4, ""),
        ({"nodes": "3"}, {"nodes": "3"}, 1, "its limit of nodes is reached"),
        ({"nodes": "3"}, {"nodes": "2"}, 1, ""),
    ],
)
def test_limits(limits: Object | None, used: Object | None, cpu: int, expected: str) -> None:
    assert reason(pool(limits=limits, used=used), resources={"requests": {"cpu": cpu}}) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pool(conditions=[]), "it is not ready"),
        (pool(conditions=[{"type": "Ready", "status": "Unknown"}]), "it is not ready"),
        (pool(replicas=3), "its number of nodes is fixed"),
    ],
)
def test_a_pool_that_is_not_ready_or_of_fixed_size_brings_no_nodes(found: Object, expected: str) -> None:
    assert reason(found) == expected


def test_a_pool_that_is_being_deleted_brings_no_nodes() -> None:
    found = pool()
    found["metadata"]["deletionTimestamp"] = "2030-01-01T08:00:00Z"
    assert reason(found) == "it is being deleted"


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (pool(limits={"cpu": "lots"}), "cpu: 'lots' is not a quantity"),
        (pool(used={"cpu": "-1"}), "cpu: '-1' is not a quantity"),
        (pool(("size", "Like", ["a"])), "operator 'Like' is not known"),
        (pool(("size", "Gt", ["many"])), "size: Gt needs one whole number, not ['many']"),
        (pool(("size", "Gt", [])), "size: Gt needs one whole number, not []"),
        ({"metadata": {"name": "pool"}, "spec": {}}, "it is malformed"),
        ({"metadata": {"name": "pool"}, "spec": {"template": []}}, "it is malformed"),
    ],
)
def test_what_cannot_be_read_is_a_fault(found: Object, fault: str) -> None:
    assert fault in node_pool(found).fault
