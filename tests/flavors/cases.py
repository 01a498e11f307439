"""Nodes, pods on them and a flavor: does a pod of the flavor fit? For the reconciler and for the real scheduler.

Each case has nodes of its own, which it selects by the label CASE, so that many cases fit into one cluster.
"""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

Object = dict[str, Any]
CASE = "devserver.test/case"
GPU = "devserver.test/gpu"
# Classes that the cases name. (The handler exists in containerd, though none of these pods ever runs.)
RUNTIME_CLASSES: dict[str, Object] = {
    "test-heavy": {"handler": "runc", "overhead": {"podFixed": {"cpu": "500m", "memory": "64Mi"}}},
    "test-picky": {
        "handler": "runc",
        "scheduling": {
            "nodeSelector": {"tier": "gold"},
            "tolerations": [{"key": "gold", "operator": "Exists", "effect": "NoSchedule"}],
        },
    },
}
PRIORITIES = {"devserver-placeholder": -10, "test-high": 1000}


@dataclass(frozen=True)
class Node:
    """A node of 4 CPUs and 8 GiB for 10 pods. has: other amounts; None removes a resource."""

    has: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    cordoned: bool = False
    conditions: dict[str, str] = field(default_factory=dict)

    def manifest(self, name: str, case: str) -> Object:
        """As its kubelet would report it."""
        amounts = {"cpu": 4, "memory": "8Gi", "pods": 10, "ephemeral-storage": "10Gi", **self.has}
        allocatable = {name: str(value) for name, value in amounts.items() if value is not None}
        conditions = {"Ready": "True", **self.conditions}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {CASE: case, **self.labels}},
            "spec": {"taints": list(self.taints), "unschedulable": self.cordoned},
            "status": {
                "allocatable": allocatable,
                "capacity": allocatable,
                "conditions": [
                    {"type": type_, "status": status, "reason": "Test", "message": ""}
                    for type_, status in conditions.items()
                ],
            },
        }


@dataclass(frozen=True)
class Pod:
    """A pod on a node, with one container that requests `cpu`. spec: other fields."""

    cpu: str = "0"
    node: int = 0
    spec: Object = field(default_factory=dict)
    phase: str = "Pending"
    deleting: bool = False

    def manifest(self, name: str, node: str) -> Object:
        """As someone creates it."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "containers": [container("main", cpu=self.cpu)],
                # No kubelet would ever confirm their end.
                "terminationGracePeriodSeconds": 0,
                "tolerations": [{"operator": "Exists"}],
                **deepcopy(self.spec),
            },
        }


@dataclass(frozen=True)
class Case:
    """flavor: fields of its spec. fits: on how many nodes a pod of it fits; None: the API server refuses the pod."""

    name: str
    fits: int | None
    nodes: tuple[Node, ...] = (Node(),)
    pods: tuple[Pod, ...] = ()
    flavor: Object = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def spec(self, tag: str) -> Object:
        """The flavor's spec, bound to the case's own nodes."""
        return {**self.flavor, "nodeSelector": {CASE: tag, **self.flavor.get("nodeSelector", {})}}

    def node_manifests(self, tag: str) -> list[Object]:
        return [node.manifest(f"{tag}-{index}", tag) for index, node in enumerate(self.nodes)]

    def pod_manifests(self, tag: str) -> list[Object]:
        return [
            pod.manifest(f"{tag}-held-{index}", f"{tag}-{pod.node}") for index, pod in enumerate(self.pods)
        ]


def container(name: str, always: bool = False, **requests: str) -> Object:
    """A container with these requests. always: as an init container, it is a sidecar."""
    made: Object = {"name": name, "image": "local/none:1", "resources": {"requests": requests}}
    if extended := {key: value for key, value in requests.items() if "/" in key}:
        made["resources"]["limits"] = extended
    return made | ({"restartPolicy": "Always"} if always else {})


def asks(**requests: Any) -> Object:
    """A flavor with these requests; what cannot be overcommitted has an equal limit."""
    amounts = {name.replace("_", "-"): value for name, value in requests.items() if name != "gpu"}
    limits = {name: value for name, value in amounts.items() if name.startswith("hugepages")}
    if "gpu" in requests:
        limits[GPU] = requests["gpu"]
    return {"resources": {"requests": amounts, "limits": limits}}


def tolerates(*tolerations: Object) -> Object:
    return {"tolerations": list(tolerations)}


def selects(**labels: str) -> Object:
    return {"nodeSelector": labels}


def taint(key: str, value: str = "", effect: str = "NoSchedule") -> Object:
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def tainted(*taints: Object) -> tuple[Node, ...]:
    return (Node(taints=taints),)


def has(**amounts: Any) -> tuple[Node, ...]:
    return (
        Node({GPU if name == "gpu" else name.replace("_", "-"): value for name, value in amounts.items()}),
    )


def unwell(**conditions: str) -> tuple[Node, ...]:
    return (Node(conditions=conditions),)


def inits(*containers: Object, main: str = "1") -> tuple[Pod, ...]:
    return (Pod(main, spec={"initContainers": list(containers)}),)


LOW, HIGH = {"priorityClassName": "devserver-placeholder"}, {"priorityClassName": "test-high"}
HEAVY, PICKY = {"runtimeClassName": "test-heavy"}, {"runtimeClassName": "test-picky"}
ALL = {"operator": "Exists"}
DEDICATED = taint("dedicated", "gpu")


def equal(value: str, **more: Any) -> Object:
    return tolerates({"key": "dedicated", "operator": "Equal", "value": value, **more})


def limited(**limits: str) -> Object:
    return {"resources": {"limits": limits}}


def gpu_pod(**spec: Any) -> Pod:
    return Pod(spec={"containers": [container("main", **{GPU: "1"})], **spec})


CASES = (
    # what a node has
    Case("no requests, and an empty node", 1),
    Case("all of the CPU", 1, flavor=asks(cpu=4)),
    Case("a thousandth more than all of the CPU", 0, flavor=asks(cpu="4001m")),
    Case("less than a thousandth of a CPU more", 0, flavor=asks(cpu="4.0000001")),
    Case("all of the memory", 1, flavor=asks(memory="8192Mi")),
    Case("a byte more than all of the memory", 0, flavor=asks(memory=8 * 2**30 + 1)),
    Case("binary and decimal units are not the same", 0, has(memory="1G"), flavor=asks(memory="1Gi")),
    Case("a fraction of a unit", 1, has(memory="1536Mi"), flavor=asks(memory="1.5Gi")),
    Case("ephemeral storage that fits", 1, flavor=asks(ephemeral_storage="10Gi")),
    Case("ephemeral storage that does not fit", 0, flavor=asks(ephemeral_storage="11Gi")),
    Case("room for the tools' container and no more", 1, has(cpu="10m", memory="16Mi")),
    Case("no room even for the tools' container", 0, has(cpu="9m")),
    Case("the tools' container requests more than the flavor", 0, has(memory="15Mi"), flavor=asks(memory="1Mi")),
    Case("a limit alone is a request", 0, flavor=limited(cpu="5")),
    Case("a limit above what is free, with a request below it", 1, flavor={
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "5"}}
    }),
    Case("a node that reports no CPU", 0, has(cpu=None)),
    Case("one node with CPU, one with memory", 0, (Node({"cpu": "1"}), Node({"memory": "1Gi"})), flavor=asks(
        cpu=2, memory="2Gi"
    )),
    Case("two of three nodes", 2, (Node(), Node({"cpu": "1"}), Node()), flavor=asks(cpu=2)),
    Case("more than any quantity", 0, flavor=asks(memory="999999999999999Pi")),
    # what pods hold
    Case("what others leave", 1, pods=(Pod("3"), Pod("500m")), flavor=asks(cpu="500m")),
    Case("a thousandth more than others leave", 0, pods=(Pod("3"), Pod("500m")), flavor=asks(cpu="501m")),
    Case("what is held elsewhere", 1, (Node(), Node()), (Pod("4"),), asks(cpu=4)),
    Case("a node that holds more than it has", 0, pods=(Pod("3"), Pod("3"))),
    Case("a pod that has succeeded holds nothing", 1, pods=(Pod("4", phase="Succeeded"),), flavor=asks(cpu=4)),
    Case("a pod that has failed holds nothing", 1, pods=(Pod("4", phase="Failed"),), flavor=asks(cpu=4)),
    Case("a pod that is being deleted still counts", 0, pods=(Pod("4", deleting=True),), flavor=asks(cpu=4)),
    Case("an init container larger than the pod", 0, pods=inits(container("a", cpu="3")), flavor=asks(cpu=2)),
    Case("an init container's requests are not added", 1, pods=inits(container("a", cpu="3")), flavor=asks(cpu=1)),
    Case("init containers run in turn", 1, flavor=asks(cpu=2), pods=inits(
        container("a", cpu="2"), container("b", cpu="2")
    )),
    Case("a sidecar runs beside the pod", 0, pods=inits(container("a", True, cpu="2")), flavor=asks(cpu=2)),
    Case("a sidecar and no more", 1, pods=inits(container("a", True, cpu="2")), flavor=asks(cpu=1)),
    Case("a sidecar runs beside the init containers that follow", 0, flavor=asks(cpu=2), pods=inits(
        container("a", True, cpu="1"), container("b", cpu="2")
    )),
    Case("a sidecar does not run beside the init containers before it", 1, flavor=asks(cpu=2), pods=inits(
        container("a", cpu="2"), container("b", True, cpu="1")
    )),
    Case("overhead of a runtime class", 0, pods=(Pod("3", spec=HEAVY),), flavor=asks(cpu="600m")),
    Case("overhead that leaves just enough", 1, pods=(Pod("3", spec=HEAVY),), flavor=asks(cpu="500m")),
    Case("requests of a pod as a whole", 0, flavor=asks(cpu=2), pods=(
        Pod("1", spec={"resources": {"requests": {"cpu": "3"}}}),
    )),
    Case("requests of a pod as a whole that leave just enough", 1, flavor=asks(cpu=1), pods=(
        Pod("1", spec={"resources": {"requests": {"cpu": "3"}}}),
    )),
    Case("memory that other pods request", 0, flavor=asks(memory="1Gi"), pods=(
        Pod(spec={"containers": [container("main", memory="7169Mi")]}),
    )),
    # the number of pods
    Case("a place for one more pod", 1, has(pods=2), (Pod(),)),
    Case("no place for another pod", 0, has(pods=1), (Pod(),)),
    Case("a node for no pods", 0, has(pods=0)),
    Case("a node that reports no number of pods", 0, has(pods=None)),
    Case("finished pods take no place", 1, has(pods=1), (Pod(phase="Succeeded"), Pod(phase="Failed"))),
    Case("a place of a placeholder that can be preempted", 1, has(pods=1), (Pod(spec=LOW),)),
    # extended resources
    Case("a free GPU", 1, has(gpu=1), flavor=asks(gpu=1)),
    Case("no GPU", 0, flavor=asks(gpu=1)),
    Case("a GPU in use", 0, has(gpu=1), (gpu_pod(),), asks(gpu=1)),
    Case("one of two GPUs in use", 1, has(gpu=2), (gpu_pod(),), asks(gpu=1)),
    Case("two GPUs of two nodes", 0, has(gpu=1) * 2, flavor=asks(gpu=2)),
    Case("zero GPUs requested of a node without one", 1, flavor=asks(gpu=0)),
    Case("a GPU of a placeholder that can be preempted", 1, has(gpu=1), (gpu_pod(**LOW),), asks(gpu=1)),
    Case("huge pages", 1, has(**{"hugepages-2Mi": "64Mi"}), flavor=asks(cpu=1, hugepages_2Mi="64Mi")),
    Case("too many huge pages", 0, has(**{"hugepages-2Mi": "64Mi"}), flavor=asks(cpu=1, hugepages_2Mi="66Mi")),
    # priority
    Case("a pod of a lower priority is preempted", 1, pods=(Pod("4", spec=LOW),), flavor=asks(cpu=4)),
    Case("several pods of a lower priority are preempted", 1, pods=(Pod("2", spec=LOW),) * 2, flavor=asks(cpu=4)),
    Case("a pod of the same priority is not preempted", 0, pods=(Pod("4"),), flavor=asks(cpu=4)),
    Case("a pod of a higher priority is not preempted", 0, pods=(Pod("4", spec=HIGH),), flavor=asks(cpu=4)),
    Case("preemption does not free enough", 0, pods=(Pod("2", spec=LOW), Pod("2")), flavor=asks(cpu=3)),
    Case("preemption frees just enough", 1, pods=(Pod("2", spec=LOW), Pod("2")), flavor=asks(cpu=2)),
    # taints
    Case("a taint", 0, tainted(DEDICATED)),
    Case("a taint tolerated by its value", 1, tainted(DEDICATED), flavor=equal("gpu")),
    Case("a taint of another value", 0, tainted(DEDICATED), flavor=equal("cpu")),
    Case("a taint tolerated by its key", 1, tainted(DEDICATED), flavor=tolerates(
        {"key": "dedicated", "operator": "Exists"}
    )),
    Case("a taint of another key", 0, tainted(DEDICATED), flavor=tolerates({"key": "gpu", "operator": "Exists"})),
    Case("every taint tolerated", 1, tainted(DEDICATED, taint("b", effect="NoExecute")), flavor=tolerates(ALL)),
    Case("a toleration of one effect", 1, tainted(DEDICATED), flavor=equal("gpu", effect="NoSchedule")),
    Case("a toleration of another effect", 0, tainted(DEDICATED), flavor=equal("gpu", effect="NoExecute")),
    Case("a taint that is only a preference", 1, tainted(taint("slow", effect="PreferNoSchedule"))),
    Case("a taint that evicts", 0, tainted(taint("broken", effect="NoExecute"))),
    Case("a taint that evicts after a while", 1, tainted(taint("dedicated", effect="NoExecute")), flavor=tolerates(
        {"key": "dedicated", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    )),
    Case("one of two taints tolerated", 0, tainted(DEDICATED, taint("other")), flavor=equal("gpu")),
    Case("a taint without a value", 1, tainted(taint("dedicated")), flavor=tolerates({"key": "dedicated"})),
    Case("every effect of all taints tolerated", 1, tainted(DEDICATED), flavor=tolerates(
        {"operator": "Exists", "effect": "NoSchedule"}
    )),
    # nodes that take no pods
    Case("a cordoned node", 0, (Node(cordoned=True),)),
    Case("a cordoned node and another", 1, (Node(cordoned=True), Node())),
    Case("a cordoned node tolerated", 1, (Node(cordoned=True),), flavor=tolerates(
        {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
    )),
    Case("a node that is not ready", 0, unwell(Ready="False")),
    Case("a node that has stopped reporting", 0, unwell(Ready="Unknown")),
    Case("a node that is short of memory", 0, unwell(MemoryPressure="True")),
    Case("a node that is short of disk", 0, unwell(DiskPressure="True")),
    Case("a node that is short of processes", 0, unwell(PIDPressure="True")),
    Case("a node without network", 0, unwell(NetworkUnavailable="True")),
    Case("a node whose other conditions are False", 1, unwell(MemoryPressure="False", NetworkUnavailable="False")),
    Case("no node at all", 0, ()),
    # node selector
    Case("a label", 1, (Node(labels={"disk": "ssd"}),), flavor=selects(disk="ssd")),
    Case("a label of another value", 0, (Node(labels={"disk": "hdd"}),), flavor=selects(disk="ssd")),
    Case("a label that is not there", 0, flavor=selects(disk="ssd")),
    Case("one of two labels", 0, (Node(labels={"disk": "ssd"}),), flavor=selects(disk="ssd", tier="gold")),
    Case("one label on each of two nodes", 0, (Node(labels={"disk": "ssd"}), Node(labels={"tier": "gold"})), flavor=(
        selects(disk="ssd", tier="gold")
    )),
    Case("an empty value", 1, (Node(labels={"disk": ""}),), flavor=selects(disk="")),
    Case("an empty value that is not there", 0, flavor=selects(disk="")),
    # runtime class
    Case("a runtime class's overhead fits", 1, flavor=asks(cpu="3500m") | HEAVY),
    Case("a runtime class's overhead does not fit", 0, flavor=asks(cpu="3501m") | HEAVY),
    Case("overhead comes on top of the tools' container", 0, has(cpu="505m"), flavor=HEAVY),
    Case("the node selector of a runtime class", 1, (Node(labels={"tier": "gold"}), Node()), flavor=PICKY),
    Case("no node that a runtime class selects", 0, flavor=PICKY),
    Case("a toleration of a runtime class", 1, flavor=PICKY, nodes=(
        Node(labels={"tier": "gold"}, taints=(taint("gold"),)),
    )),
    # what the API server refuses
    Case("a runtime class that does not exist", None, flavor={"runtimeClassName": "test-nowhere"}),
    Case("a selector that contradicts the runtime class's", None, flavor=PICKY | selects(tier="tin")),
    Case("a GPU requested without a limit", None, has(gpu=1), flavor={"resources": {"requests": {GPU: "1"}}}),
    Case("a GPU requested below its limit", None, has(gpu=2), flavor={
        "resources": {"requests": {GPU: "1"}, "limits": {GPU: "2"}}
    }),
    Case("part of a GPU", None, has(gpu=2), flavor=limited(**{GPU: "0.5"})),
    Case("a resource that does not exist", None, has(cores=2), flavor=limited(cores="1")),
)  # fmt: skip


def admitted(pod: Object) -> Object:
    """What the API server makes of a pod's classes."""
    spec = pod["spec"]
    made: Object = {"priority": PRIORITIES[spec["priorityClassName"]]} if "priorityClassName" in spec else {}
    if "runtimeClassName" in spec:
        made["overhead"] = RUNTIME_CLASSES[spec["runtimeClassName"]]["overhead"]["podFixed"]
    return {**pod, "spec": spec | made}


def named(cases: tuple[Case, ...]) -> dict[str, Case]:
    """The cases by tags that can be names and label values."""
    return {f"case-{index}": replace(case) for index, case in enumerate(cases)}
