"""Whether a pod of a flavor fits on a node. tests/flavors has the real kube-scheduler answer the same cases."""

from dataclasses import replace

import pytest
from hypothesis import given

from crds import DevServerFlavorSpec
from reconciler.kinds.flavor.scheduling import capacity
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.scheduling.fit import fit
from reconciler.kinds.flavor.scheduling.karpenter import NodePool, Requirement
from reconciler.kinds.flavor.scheduling.node_info import NodeInfo, node_infos
from reconciler.kinds.flavor.scheduling.pod_info import PodInfo, pod_info
from tests.flavors.cases import (
    CASES,
    DEDICATED,
    GPU,
    LOW,
    Case,
    Node,
    Object,
    Pod,
    asks,
    gpu_pod,
    has,
    selects,
    tainted,
)
from tests.flavors.model import fit_of_case, stored
from tests.flavors.strategies import random_cases


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case_has_the_expected_answer(case: Case) -> None:
    found = fit_of_case(case)
    assert found.fitting_nodes == (case.fits or 0), found.message
    assert found.answer == ("Yes" if case.fits else "No")
    assert (found.reason == "PodRefused") is (case.fits is None)


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in CASES}) >= 60


MESSAGES: list[tuple[Case, str, str]] = [
    (Case("", 3, (Node(),) * 3), "NodesFit", "3 of 3 nodes have room."),
    (Case("", 1, (Node(), Node({"pods": 0}))), "NodesFit", "1 of 2 nodes has room."),
    (
        Case("", 1, pods=(Pod("4", spec=LOW),)),
        "LowerPriorityGivesWay",
        "1 of 1 node has room once pods of a lower priority have given way.",
    ),
    (
        Case("", 0, has(gpu=1) + tainted(DEDICATED) * 2, (gpu_pod(),), asks(gpu=1)),
        "NoNodeFits",
        f"No node with {GPU} free: 0 of 3; 1 in use, 2 tainted (dedicated=gpu:NoSchedule).",
    ),
    (
        Case("", 0, (Node({"cpu": 1}), Node({"memory": "1Gi"})), flavor=asks(cpu=2, memory="2Gi")),
        "NoNodeFits",
        "No node with cpu and memory free: 0 of 2; 2 too small.",
    ),
    (
        Case("", 0, has(pods=1), (Pod(),)),
        "NoNodeFits",
        "No node with a place for a pod free: 0 of 1; 1 in use.",
    ),
    (
        Case(
            "", 0, (Node(cordoned=True), Node(conditions={"Ready": "False"}), Node()), flavor=selects(a="b")
        ),
        "NoNodeFits",
        "No node that the flavor's pods may use: 0 of 3; 1 not ready, 1 cordoned, 1 without a=b.",
    ),
    (Case("", 0, ()), "NoNodeFits", "The cluster has no node."),
    (
        Case("", None, has(gpu=1), flavor={"resources": {"requests": {GPU: "1"}}}),
        "PodRefused",
        f"spec.resources: {GPU} needs a limit equal to its request, because it cannot be overcommitted.",
    ),
    (
        Case("", None, flavor={"runtimeClassName": "kata"}),
        "PodRefused",
        "spec.runtimeClassName: there is no RuntimeClass kata.",
    ),
]


@pytest.mark.parametrize(("case", "reason", "message"), MESSAGES, ids=[message for _, _, message in MESSAGES])
def test_the_message_names_what_is_missing(case: Case, reason: str, message: str) -> None:
    found = fit_of_case(case)
    assert (found.fitting_nodes, found.reason, found.message) == (case.fits or 0, reason, message)


def test_a_message_stays_short_however_many_taints_there_are() -> None:
    nodes = tuple(Node(taints=({"key": f"taint-{index}", "effect": "NoSchedule"},)) for index in range(50))
    message = fit_of_case(Case("", 0, nodes)).message
    assert "50 tainted (taint-0:NoSchedule, taint-10:NoSchedule, taint-11:NoSchedule and 47 more)" in message


# --- what cannot be read

NEEDED = pod_info(DevServerFlavorSpec.model_validate(asks(cpu=2)), Capacity())


def infos(nodes: tuple[Object, ...], pods: tuple[Object, ...] = ()) -> list[NodeInfo]:
    filled = Capacity(
        nodes=stored(map(capacity.reduce_node, nodes)), pods=stored(map(capacity.reduce_pod, pods))
    )
    return node_infos(filled, 0, preempts=True)


BROKEN = Node({"cpu": "lots"}).manifest("broken", "case")
FINE = Node().manifest("fine", "case")
BROKEN_POD = Pod("some").manifest("odd", "fine")


@pytest.mark.parametrize(
    ("nodes", "answer", "part"),
    [
        (infos((BROKEN,)), "Unknown", "Not known: node broken: cpu: 'lots' is not a quantity"),
        (infos((FINE,), (BROKEN_POD,)), "Unknown", "Not known: pod /odd: cpu: 'some' is not a quantity"),
        (infos((BROKEN, FINE)), "Yes", "1 of 2 nodes has room."),
    ],
    ids=["of a node", "of a pod", "while another node fits"],
)
def test_a_node_with_an_unreadable_quantity_neither_fits_nor_counts_as_full(
    nodes: list[NodeInfo], answer: str, part: str
) -> None:
    found = fit(NEEDED, nodes, ())
    assert found.answer == answer
    assert part in found.message
    assert found.reason == ("UnreadableQuantity" if answer == "Unknown" else "NodesFit")


def test_an_unreadable_quantity_does_not_matter_on_a_node_that_taints_or_labels_rule_out() -> None:
    broken = Node({"cpu": "lots"}, cordoned=True).manifest("broken", "case")
    assert fit(NEEDED, infos((broken,)), ()).answer == "No"


# --- NodePools

ARM = NodePool("arm", requirements=(Requirement("kubernetes.io/arch", "In", ("arm64",)),))
ODD = NodePool("odd", fault="cpu: 'lots' is not a quantity such as 500m, 2 or 4Gi")
AMD = pod_info(
    DevServerFlavorSpec.model_validate(asks(cpu=2) | {"nodeSelector": {"kubernetes.io/arch": "amd64"}}),
    Capacity(),
)


@pytest.mark.parametrize(
    ("needed", "nodes", "pools", "answer", "message"),
    [
        (NEEDED, (FINE,), (ARM,), "Yes", "1 of 1 node has room."),
        (NEEDED, (), (ARM,), "AUTOSCALED", "The cluster has no node. NodePool arm may bring one."),
        (NEEDED, (), (ODD, ARM), "AUTOSCALED", "The cluster has no node. NodePool arm may bring one."),
        (
            AMD,
            (),
            (ARM,),
            "No",
            "The cluster has no node. NodePool arm: no nodes with kubernetes.io/arch=amd64.",
        ),
        (
            AMD,
            (),
            (ARM, ODD),
            "Unknown",
            "The cluster has no node. Not known: NodePool odd: cpu: 'lots' is not a quantity such as 500m, 2 or 4Gi.",
        ),
    ],
    ids=["a node fits", "a pool may fit", "one of two may fit", "none may fit", "one cannot be read"],
)
def test_node_pools_count_where_no_node_fits(
    needed: PodInfo, nodes: tuple[Object, ...], pools: tuple[NodePool, ...], answer: str, message: str
) -> None:
    found = fit(needed, infos(nodes), pools)
    assert (found.answer, found.message) == (answer, message)


# --- whatever the case


@given(random_cases())
def test_another_node_never_lowers_the_number_of_fitting_nodes_and_another_pod_never_raises_it(
    case: Case,
) -> None:
    before = fit_of_case(case).fitting_nodes
    assert fit_of_case(replace(case, nodes=(*case.nodes, Node()))).fitting_nodes >= before
    assert fit_of_case(replace(case, pods=(*case.pods, Pod("1")))).fitting_nodes <= before


@given(random_cases())
def test_pods_of_a_lower_priority_count_as_if_they_were_not_there(case: Case) -> None:
    held = tuple(replace(pod, spec={**pod.spec, **LOW}) for pod in case.pods)
    assert (
        fit_of_case(replace(case, pods=held)).fitting_nodes
        == fit_of_case(replace(case, pods=())).fitting_nodes
    )
