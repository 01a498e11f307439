"""What pods request of each node, beside what the node has. Pure.

This mirrors kube-scheduler's NodeInfo and its filter for resources:
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/types.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/noderesources/fit.go
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.kinds.flavor.scheduling.capacity import Capacity, Node, Pod, relevant
from reconciler.kinds.flavor.scheduling.pod_requests import Requests

# The resource that counts a node's pods.
PODS = "pods"


@dataclass
class NodeInfo:
    """A node and what its pods request in sum, their number included as the resource `pods`.

    requested: by all pods. requested_after_preemption: by those alone that a pod of the priority in question cannot
    preempt. fault: why these are not known; empty if they are.
    """

    node: Node
    requested: Requests = field(default_factory=dict)
    requested_after_preemption: Requests = field(default_factory=dict)
    fault: str = ""

    def insufficient(self, requests: Requests, requested: Requests) -> list[str]:
        """The resources that do not suffice for one more pod with these requests. requested: what others have."""
        allocatable = self.node.allocatable
        return [
            name
            for name, amount in {**requests, PODS: 1}.items()
            if amount and amount > allocatable.get(name, 0) - requested.get(name, 0)
        ]


def node_infos(capacity: Capacity, priority: int, preempts: bool) -> list[NodeInfo]:
    """All nodes by name, for a pod of that priority. preempts: it may preempt pods of a lower one."""
    nodes: Iterable[Node] = (relevant(obj) for obj in capacity.nodes.values())
    infos = {
        node.name: NodeInfo(node, fault=f"node {node.name}: {node.fault}" if node.fault else "")
        for node in nodes
    }
    for (namespace, name), obj in capacity.pods.items():
        pod: Pod | None = relevant(obj)
        if pod is None or pod.node not in infos:
            continue
        if pod.nominated and pod.priority < priority:
            # Its resources are not reserved against a higher priority: see addGENominatedPods in
            # https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/runtime/framework.go
            continue
        info = infos[pod.node]
        if pod.fault:
            info.fault = info.fault or f"pod {namespace}/{name}: {pod.fault}"
        _add(info.requested, pod)
        if pod.priority >= priority or not preempts:
            _add(info.requested_after_preemption, pod)
    return sorted(infos.values(), key=lambda info: info.node.name)


def _add(requested: Requests, pod: Pod) -> None:
    requested[PODS] = requested.get(PODS, 0) + 1
    for name, amount in pod.requests.items():
        requested[name] = requested.get(name, 0) + amount
