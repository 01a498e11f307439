"""The room on each node: what it has, less what pods hold. Pure.

Mirrors kube-scheduler's NodeInfo: https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/types.go
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.capacity import Capacity, Node, Pod, seen
from reconciler.requests import Requests

PODS = "pods"


@dataclass
class Room:
    """A node and what is held of it, `pods` among it.

    held: by all pods. held_firmly: by those which do not give way to a pod of the priority in question.
    fault: why the room is not known.
    """

    node: Node
    held: Requests = field(default_factory=dict)
    held_firmly: Requests = field(default_factory=dict)
    fault: str = ""

    def lacks(self, requests: Requests, held: Requests) -> list[str]:
        """The resources that are short for one more pod."""
        asked = {**requests, PODS: 1}
        has = self.node.allocatable
        return [
            name for name, amount in asked.items() if amount and amount > has.get(name, 0) - held.get(name, 0)
        ]


def rooms(capacity: Capacity, priority: int, preempts: bool) -> list[Room]:
    """The room on each node for a pod of that priority."""
    nodes: Iterable[Node] = (seen(obj) for obj in capacity.nodes.values())
    found = {
        node.name: Room(node, fault=f"node {node.name}: {node.fault}" if node.fault else "") for node in nodes
    }
    for (namespace, name), obj in capacity.pods.items():
        pod: Pod | None = seen(obj)
        if pod is None or pod.node not in found:
            continue
        room, firm = found[pod.node], pod.priority >= priority or not preempts
        if pod.nominated and pod.priority < priority:
            # It does not have the room yet, and others of a higher priority may take it, as in addGENominatedPods of
            # https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/runtime/framework.go
            continue
        if pod.fault:
            room.fault = room.fault or f"pod {namespace}/{name}: {pod.fault}"
        _hold(room.held, pod)
        if firm:
            _hold(room.held_firmly, pod)
    return sorted(found.values(), key=lambda room: room.node.name)


def _hold(held: Requests, pod: Pod) -> None:
    held[PODS] = held.get(PODS, 0) + 1
    for name, amount in pod.requests.items():
        held[name] = held.get(name, 0) + amount
