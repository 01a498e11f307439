"""What the watches know of everything that decides on which nodes a pod fits.

Each `reduce_*` is the transform of a watch. It keeps the relevant part of an object alone, so that comparing two such
parts tells whether a change matters. A quantity that cannot be read is kept as a fault; it never counts as zero.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from crds.flavor import Toleration
from reconciler.kinds.flavor.scheduling.pod_requests import (
    Requests,
    parse_quantities,
    pod_requests,
    rounded_up,
)
from reconciler.kinds.flavor.scheduling.taints import (
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    Taint,
    enforced_taints,
)
from reconciler.kube.client import Object

# The key of a reduced object's relevant part.
_RELEVANT = "relevant"
# By namespace and name.
ReducedObjects = dict[tuple[str, str], Object]
# The field selector of pods that have not ended: only these take resources of a node.
NON_TERMINATED_PODS = "status.phase!=Succeeded,status.phase!=Failed"
# The NoSchedule taints that the node controller sets by a node's conditions, besides those by Ready:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/nodelifecycle/node_lifecycle_controller.go
_CONDITION_TAINTS = {
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
}


class Node(NamedTuple):
    """A node.

    taints: also those that its conditions will bring; the node controller adds them a moment later.
    fault: why allocatable is not known; empty if it is.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    allocatable: Requests
    fault: str = ""


class Pod(NamedTuple):
    """A pod on a node, or one that is nominated to a node and waits there for the pods that it preempts to end.

    fault: why requests are not known; empty if they are.
    """

    node: str
    nominated: bool
    priority: int
    requests: Requests
    fault: str = ""


class PriorityClass(NamedTuple):
    """value: the priority; higher goes first. preempts: its pods may preempt others."""

    value: int
    is_default: bool
    preempts: bool


class RuntimeClass(NamedTuple):
    """What a runtime class adds to its pods."""

    overhead: Mapping[str, str]
    node_selector: Mapping[str, str]
    tolerations: tuple[Toleration, ...]


@dataclass
class Capacity:
    """Reduced objects by kind; the watches fill them."""

    nodes: ReducedObjects = field(default_factory=dict)
    pods: ReducedObjects = field(default_factory=dict)
    priority_classes: ReducedObjects = field(default_factory=dict)
    runtime_classes: ReducedObjects = field(default_factory=dict)
    node_pools: ReducedObjects = field(default_factory=dict)


def relevant(obj: Object | None) -> Any:
    """The relevant part of a reduced object; None if there is no such object."""
    return None if obj is None else obj[_RELEVANT]


def reduce_object(obj: Object, extract: Callable[[Object], Any]) -> Object:
    """The object, reduced to its relevant part, which `extract` makes of it, and to the metadata that a watch needs."""
    meta = obj["metadata"]
    kept = {name: meta[name] for name in ("namespace", "name", "uid", "resourceVersion") if name in meta}
    return {"metadata": kept, _RELEVANT: extract(obj)}


def reduce_node(obj: Object) -> Object:
    """A node, reduced."""
    return reduce_object(obj, _node)


def _node(obj: Object) -> Node:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    taints = list(enforced_taints(spec.get("taints")))
    taints += [taint for taint in _taints_to_come(spec, status) if taint not in taints]
    allocatable, fault = _read(lambda: rounded_up(parse_quantities(status.get("allocatable"))))
    meta = obj["metadata"]
    return Node(meta["name"], meta.get("labels") or {}, tuple(taints), allocatable, fault)


def _taints_to_come(spec: Object, status: Object) -> list[Taint]:
    """The taints that the node controller will soon derive from the node's conditions, if it has not already."""
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or []}
    ready = conditions.get("Ready", "Unknown")
    coming = [] if ready == "True" else [NOT_READY if ready == "False" else UNREACHABLE]
    coming += [key for type_, key in _CONDITION_TAINTS.items() if conditions.get(type_) == "True"]
    coming += [UNSCHEDULABLE] if spec.get("unschedulable") else []
    return [Taint(key, "", "NoSchedule") for key in coming]


def reduce_pod(obj: Object) -> Object:
    """A pod, reduced. Nothing is relevant of one that has no node and is nominated to none."""
    return reduce_object(obj, _pod)


def _pod(obj: Object) -> Pod | None:
    spec, status = obj["spec"], obj.get("status") or {}
    bound: str = spec.get("nodeName") or ""
    node: str = bound or status.get("nominatedNodeName") or ""
    if not node:
        return None
    requests, fault = _read(lambda: pod_requests(obj))
    return Pod(
        node=sys.intern(node),
        nominated=not bound,
        priority=spec.get("priority") or 0,
        requests=_shared(tuple(sorted(requests.items()))),
        fault=fault,
    )


@lru_cache(maxsize=1024)
def _shared(items: tuple[tuple[str, int], ...]) -> Requests:
    """One copy of equal requests: most pods request what others request too."""
    return dict(items)


def reduce_priority_class(obj: Object) -> Object:
    """A PriorityClass, reduced."""
    return reduce_object(
        obj,
        lambda found: PriorityClass(
            found["value"], bool(found.get("globalDefault")), found.get("preemptionPolicy") != "Never"
        ),
    )


def reduce_runtime_class(obj: Object) -> Object:
    """A RuntimeClass, reduced."""

    def runtime_class(found: Object) -> RuntimeClass:
        scheduling = found.get("scheduling") or {}
        return RuntimeClass(
            (found.get("overhead") or {}).get("podFixed") or {},
            scheduling.get("nodeSelector") or {},
            tuple(_toleration(item) for item in scheduling.get("tolerations") or []),
        )

    return reduce_object(obj, runtime_class)


def _toleration(item: Object) -> Toleration:
    # The API server has checked keys and values already.
    known = {name: item.get(name) or None for name in ("key", "value", "effect")}
    return Toleration.model_construct(**known, operator=item.get("operator") or "Equal")


def _read(read: Callable[[], Requests]) -> tuple[Requests, str]:
    """The requests, and no fault; or none, and why they cannot be read."""
    try:
        return read(), ""
    except ValueError as error:
        return {}, str(error)
