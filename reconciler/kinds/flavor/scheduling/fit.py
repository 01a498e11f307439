"""Whether a pod of a flavor fits on a node now, and if not, what is missing. Pure.

a node fits, or does when pods of a lower priority are preempted ──▶ Yes
a NodePool may bring a node that fits ─────────────────────────────▶ AUTOSCALED
what some node or NodePool has cannot be read ─────────────────────▶ Unknown
otherwise ─────────────────────────────────────────────────────────▶ No

docs/flavors.md says which of kube-scheduler's rules are looked at. They are those of its filters and its preemption:
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/noderesources/fit.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from reconciler.kinds.flavor.scheduling.karpenter import NodePool, incompatibility
from reconciler.kinds.flavor.scheduling.node_info import PODS, NodeInfo
from reconciler.kinds.flavor.scheduling.pod_info import PodInfo
from reconciler.kinds.flavor.scheduling.taints import (
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    Taint,
    untolerated,
)
from reconciler.status import reasons

Answer = Literal["Yes", "No", "AUTOSCALED", "Unknown"]
_MAX_NAMED = 3


@dataclass(frozen=True)
class Fit:
    """Whether a pod fits. fitting_nodes: on how many nodes. message: for people; says what is missing."""

    answer: Answer
    reason: str
    message: str
    fitting_nodes: int = 0


def fit(pod_info: PodInfo, node_infos: Sequence[NodeInfo], pools: Iterable[NodePool]) -> Fit:
    """Whether a pod fits on one of the nodes, or may on one that a NodePool brings."""
    count = _NodeCount()
    for node_info in node_infos:
        count.add(pod_info, node_info)
    if count.fit or count.fit_after_preemption:
        return _yes(count, len(node_infos))
    lead = _lead(count, len(node_infos))
    pool_faults, refusals = [], []
    for pool in pools:
        if pool.fault:
            pool_faults.append(f"NodePool {pool.name}: {pool.fault}")
        elif refusal := incompatibility(pod_info, pool):
            refusals.append(f"NodePool {pool.name}: {refusal}")
        else:
            return Fit(
                "AUTOSCALED", reasons.NODE_POOL_MAY_FIT, f"{lead}. NodePool {pool.name} may bring one."
            )
    if faults := [*count.faults, *pool_faults]:
        return Fit("Unknown", reasons.UNREADABLE_QUANTITY, f"{lead}. Not known: {_some(faults, '; ')}.")
    return Fit("No", reasons.NO_NODE_FITS, f"{'. '.join((lead, *refusals[:_MAX_NAMED]))}.")


@dataclass
class _NodeCount:
    """How many nodes fit, and how many do not for which reason."""

    fit: int = 0
    fit_after_preemption: int = 0
    not_ready: int = 0
    cordoned: int = 0
    tainted: int = 0
    unselected: int = 0
    in_use: int = 0
    too_small: int = 0
    taints: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    # For each node on which resources alone keep the pod away: which ones do not suffice.
    insufficient: list[frozenset[str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, pod_info: PodInfo, node_info: NodeInfo) -> None:
        """Count one node, by the first thing that keeps the pod away."""
        node, requests = node_info.node, pod_info.requests
        if taints := untolerated(node.taints, pod_info.tolerations):
            self._add_tainted(taints)
        elif missing := _missing(pod_info.node_selector, node.labels):
            self.unselected += 1
            self.labels.update(missing)
        elif node_info.fault:
            self.faults.append(node_info.fault)
        elif not node_info.insufficient(requests, node_info.requested):
            self.fit += 1
        elif names := node_info.insufficient(requests, node_info.requested_after_preemption):
            self._add_insufficient(names, is_too_small=bool(node_info.insufficient(requests, {})))
        else:
            self.fit_after_preemption += 1

    def _add_tainted(self, taints: list[Taint]) -> None:
        keys = {taint.key for taint in taints}
        if NOT_READY in keys or UNREACHABLE in keys:
            self.not_ready += 1
        elif UNSCHEDULABLE in keys:
            self.cordoned += 1
        else:
            self.tainted += 1
            self.taints.update(map(str, taints))

    def _add_insufficient(self, names: list[str], is_too_small: bool) -> None:
        self.insufficient.append(frozenset(names))
        if is_too_small:
            self.too_small += 1
        else:
            self.in_use += 1


def _missing(selector: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
    """What the selector asks for and the labels do not have."""
    return [f"{key}={value}" for key, value in selector.items() if labels.get(key) != value]


def _yes(count: _NodeCount, nodes: int) -> Fit:
    fitting = count.fit + count.fit_after_preemption
    message = f"{fitting} of {_nodes(nodes)} {'has' if fitting == 1 else 'have'} room"
    if count.fit:
        return Fit("Yes", reasons.NODES_FIT, f"{message}.", fitting)
    message += " once pods of a lower priority have given way."
    return Fit("Yes", reasons.LOWER_PRIORITY_GIVES_WAY, message, fitting)


def _lead(count: _NodeCount, nodes: int) -> str:
    """The beginning of a message, such as `No node with cpu free: 0 of 3; 1 in use, 2 tainted (a:NoSchedule)`."""
    if not nodes:
        return "The cluster has no node"
    parts = [
        f"{number} {what}"
        for number, what in (
            (count.in_use, "in use"),
            (count.too_small, "too small"),
            (count.not_ready, "not ready"),
            (count.cordoned, "cordoned"),
            (count.tainted, f"tainted ({_most(count.taints)})"),
            (count.unselected, f"without {_most(count.labels)}"),
            (len(count.faults), "not known"),
        )
        if number
    ]
    return f"No node {_wanted(count.insufficient)}: 0 of {nodes}; {', '.join(parts)}"


def _wanted(insufficient: Sequence[frozenset[str]]) -> str:
    """What the message says that no node is like."""
    if not insufficient:
        return "that the flavor's pods may use"
    # The resources that do not suffice on any of these nodes; if there is none, those that do not on some.
    names = sorted(frozenset.intersection(*insufficient) or frozenset.union(*insufficient))
    return f"with {_some(['a place for a pod' if name == PODS else name for name in names], ' and ')} free"


def _most(counted: Counter[str]) -> str:
    """The most frequent ones."""
    return _some([name for name, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))], ", ")


def _some(items: list[str], separator: str) -> str:
    """The first ones, and how many more there are."""
    more = len(items) - _MAX_NAMED
    return separator.join(items[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _nodes(number: int) -> str:
    return f"{number} node{'' if number == 1 else 's'}"
