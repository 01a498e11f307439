"""Random cases: small numbers, so that what fits and what does not are about as frequent."""

from typing import Any

from hypothesis import strategies as st

from tests.flavors.cases import DEDICATED, GPU, HIGH, LOW, Case, Node, Object, Pod, container, taint

_CPUS = st.sampled_from(["250m", "500m", "1", "1500m", "2"])
_MEMORY = st.sampled_from(["64Mi", "512M", "512Mi", "1Gi", "1.5Gi"])
_TAINTS = st.sampled_from(
    [DEDICATED, taint("slow", effect="PreferNoSchedule"), taint("broken", effect="NoExecute")]
)
_TOLERATIONS: st.SearchStrategy[Object] = st.sampled_from(
    [
        {"operator": "Exists"},
        {"key": "dedicated", "operator": "Exists"},
        {"key": "dedicated", "operator": "Equal", "value": "gpu"},
        {"key": "dedicated", "operator": "Equal", "value": "cpu"},
        {"key": "broken", "operator": "Exists", "effect": "NoExecute"},
        {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"},
    ]
)
_TIERS: st.SearchStrategy[dict[str, str]] = st.sampled_from([{}, {}, {"tier": "gold"}, {"tier": "tin"}])


def _rarely(value: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, None, None, value])


@st.composite
def _nodes(draw: st.DrawFn) -> Node:
    has = {"cpu": draw(_CPUS), "memory": draw(_MEMORY), "pods": draw(st.integers(1, 3))}
    if gpus := draw(st.integers(0, 2)):
        has[GPU] = str(gpus)
    return Node(
        has=has,
        labels=draw(_TIERS),
        taints=tuple(draw(st.lists(_TAINTS, max_size=2, unique_by=str))) if draw(st.booleans()) else (),
        cordoned=bool(draw(_rarely(True))),
        conditions=draw(_rarely({"Ready": "False"})) or {},
    )


@st.composite
def _pods(draw: st.DrawFn, nodes: int) -> Pod:
    requests = {"cpu": draw(_CPUS), "memory": draw(_MEMORY)}
    if draw(_rarely(True)):
        requests[GPU] = "1"
    spec: Object = {"containers": [container("main", **requests)], **draw(st.sampled_from([{}, LOW, HIGH]))}
    if draw(st.booleans()):
        spec["initContainers"] = [container("first", draw(st.booleans()), cpu=draw(_CPUS))]
    phase = draw(st.sampled_from(["Pending", "Pending", "Pending", "Succeeded"]))
    return Pod(node=draw(st.integers(0, nodes - 1)), spec=spec, phase=phase)


@st.composite
def _flavors(draw: st.DrawFn) -> Object:
    requests, limits = {"cpu": draw(_CPUS)}, {"memory": draw(_MEMORY)}
    if draw(_rarely(True)):
        limits[GPU] = "1"
    found: Object = {"resources": {"requests": requests, "limits": limits}}
    if tolerations := draw(st.lists(_TOLERATIONS, max_size=2, unique_by=str)):
        found["tolerations"] = tolerations
    if runtime := draw(_rarely("test-heavy")):
        found["runtimeClassName"] = runtime
    return found | ({"nodeSelector": selector} if (selector := draw(_TIERS)) else {})


@st.composite
def random_cases(draw: st.DrawFn) -> Case:
    """A case of up to three nodes and pods. Its `fits` says nothing."""
    nodes = tuple(draw(st.lists(_nodes(), min_size=1, max_size=3)))
    pods = tuple(draw(st.lists(_pods(len(nodes)), max_size=3)))
    return Case("random", -1, nodes, pods, draw(_flavors()))
