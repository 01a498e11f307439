"""What decides where a pod finds room, as the watches have seen it, reduced to just that.

Each `essence_of_*` is a watch's trim: what it keeps under SEEN is compared to tell whether a change matters. A quantity
that cannot be read is kept as a fault and told of; it never counts as zero.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from crds.flavor import Toleration
from reconciler.kinds.flavor.scheduling.pod_requests import Object, Requests, exact, pod_requests, whole
from reconciler.kinds.flavor.scheduling.taints import NOT_READY, UNREACHABLE, UNSCHEDULABLE, Taint, taints

# The part of a reduced object that counts.
SEEN = "seen"
Store = dict[tuple[str, str], Object]
# Which pods hold room: others have ended.
HOLDING_PODS = "status.phase!=Succeeded,status.phase!=Failed"
_CONDITION_TAINTS = {
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
}


class Node(NamedTuple):
    """A node. taints: those by its conditions included, for the API server's own come a moment later."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    allocatable: Requests
    fault: str = ""


class Pod(NamedTuple):
    """A pod on a node, or nominated to one for which it makes room."""

    node: str
    nominated: bool
    priority: int
    requests: Requests
    fault: str = ""


class PriorityClass(NamedTuple):
    """value: higher goes first."""

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
    """Stores of reduced objects; the watches fill them."""

    nodes: Store = field(default_factory=dict)
    pods: Store = field(default_factory=dict)
    priority_classes: Store = field(default_factory=dict)
    runtime_classes: Store = field(default_factory=dict)
    node_pools: Store = field(default_factory=dict)


def seen(obj: Object | None) -> Any:
    """What counts of a reduced object."""
    return None if obj is None else obj[SEEN]


def reduced(obj: Object, what: Callable[[Object], Any]) -> Object:
    """The object with what counts of it alone, and what a watch needs."""
    meta = obj["metadata"]
    kept = {name: meta[name] for name in ("namespace", "name", "uid", "resourceVersion") if name in meta}
    return {"metadata": kept, SEEN: what(obj)}


def reduce_node(obj: Object) -> Object:
    """A node, reduced."""
    return reduced(obj, _node)


def _node(obj: Object) -> Node:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    found = list(taints(spec.get("taints")))
    found += [taint for taint in _taints_to_come(spec, status) if taint not in found]
    allocatable, fault = _read(lambda: whole(exact(status.get("allocatable"))))
    meta = obj["metadata"]
    return Node(meta["name"], meta.get("labels") or {}, tuple(found), allocatable, fault)


def _taints_to_come(spec: Object, status: Object) -> list[Taint]:
    """Those that the API server's controllers derive from the rest of the node, in a moment at the latest."""
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or []}
    ready = conditions.get("Ready", "Unknown")
    coming = [] if ready == "True" else [NOT_READY if ready == "False" else UNREACHABLE]
    coming += [key for type_, key in _CONDITION_TAINTS.items() if conditions.get(type_) == "True"]
    coming += [UNSCHEDULABLE] if spec.get("unschedulable") else []
    return [Taint(key, "", "NoSchedule") for key in coming]


def reduce_pod(obj: Object) -> Object:
    """A pod, reduced; what waits for a node without a claim on one holds no room."""
    return reduced(obj, _pod)


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
    """Most pods ask for what others ask for, too."""
    return dict(items)


def reduce_priority_class(obj: Object) -> Object:
    """A PriorityClass, reduced."""
    return reduced(
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

    return reduced(obj, runtime_class)


def _toleration(item: Object) -> Toleration:
    # Keys and values that the API server took are not judged again.
    known = {name: item.get(name) or None for name in ("key", "value", "effect")}
    return Toleration.model_construct(**known, operator=item.get("operator") or "Equal")


def _read(read: Callable[[], Requests]) -> tuple[Requests, str]:
    try:
        return read(), ""
    except ValueError as error:
        return {}, str(error)
