"""Whether a pod of a flavor finds room now, and if not, what is missing. Pure: docs/flavors.md tells what is looked at.

a node fits, or would if lower priorities gave way ──▶ Yes
a NodePool may bring a node that fits ───────────────▶ AUTOSCALED
room somewhere cannot be read ───────────────────────▶ Unknown
otherwise ───────────────────────────────────────────▶ No

Mirrors kube-scheduler's filters for nodes and its preemption:
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/noderesources/fit.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from reconciler import reasons
from reconciler.demand import Demand
from reconciler.karpenter import NodePool, why_not
from reconciler.requests import Requests
from reconciler.rooms import PODS, Room
from reconciler.taints import NOT_READY, UNREACHABLE, UNSCHEDULABLE, not_tolerated

Answer = Literal["Yes", "No", "AUTOSCALED", "Unknown"]
_MAX_NAMED = 3


@dataclass(frozen=True)
class Verdict:
    """fitting_nodes: on how many nodes a pod finds room. message: for people; says what is missing."""

    answer: Answer
    reason: str
    message: str
    fitting_nodes: int = 0


def verdict(demand: Demand, rooms: Sequence[Room], pools: Iterable[NodePool]) -> Verdict:
    """The answer for pods with that demand."""
    count = _Count()
    for room in rooms:
        count.add(demand, room)
    if count.free or count.gives_way:
        return _yes(count, len(rooms))
    lead = _lead(count, rooms)
    pool_faults, refusals = [], []
    for pool in pools:
        if pool.fault:
            pool_faults.append(f"NodePool {pool.name}: {pool.fault}")
        elif refusal := why_not(demand, pool):
            refusals.append(f"NodePool {pool.name}: {refusal}")
        else:
            return Verdict(
                "AUTOSCALED", reasons.NODE_POOL_MAY_FIT, f"{lead}. NodePool {pool.name} may bring one."
            )
    if faults := [*count.faults, *pool_faults]:
        return Verdict("Unknown", reasons.UNREADABLE_QUANTITY, f"{lead}. Not known: {_some(faults, '; ')}.")
    return Verdict("No", reasons.NO_NODE_FITS, f"{'. '.join((lead, *refusals[:_MAX_NAMED]))}.")


@dataclass
class _Count:
    """How many nodes fit, and how many do not for which reason."""

    free: int = 0
    gives_way: int = 0
    not_ready: int = 0
    cordoned: int = 0
    tainted: int = 0
    unselected: int = 0
    in_use: int = 0
    too_small: int = 0
    taints: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    # The resources that are short on each node which is otherwise right.
    short: list[frozenset[str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, demand: Demand, room: Room) -> None:
        """Judge one node; the first thing that keeps the pod away counts."""
        if keeping := not_tolerated(room.node.taints, demand.tolerations):
            self._add_tainted([taint.key for taint in keeping], [str(taint) for taint in keeping])
        elif missing := _missing(demand.node_selector, room.node.labels):
            self.unselected += 1
            self.labels.update(missing)
        elif room.fault:
            self.faults.append(room.fault)
        elif not room.lacks(demand.requests, room.held):
            self.free += 1
        elif not (lacking := room.lacks(demand.requests, room.held_firmly)):
            self.gives_way += 1
        else:
            self._add_short(demand.requests, room, lacking)

    def _add_tainted(self, keys: list[str], taints: list[str]) -> None:
        if NOT_READY in keys or UNREACHABLE in keys:
            self.not_ready += 1
        elif UNSCHEDULABLE in keys:
            self.cordoned += 1
        else:
            self.tainted += 1
            self.taints.update(taints)

    def _add_short(self, requests: Requests, room: Room, lacking: list[str]) -> None:
        self.short.append(frozenset(lacking))
        if room.lacks(requests, {}):
            self.too_small += 1
        else:
            self.in_use += 1


def _missing(selector: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in selector.items() if labels.get(key) != value]


def _yes(count: _Count, nodes: int) -> Verdict:
    fitting = count.free + count.gives_way
    message = f"{fitting} of {_nodes(nodes)} {'has' if fitting == 1 else 'have'} room"
    if count.free:
        return Verdict("Yes", reasons.NODES_FIT, f"{message}.", fitting)
    message += " once pods of a lower priority have given way."
    return Verdict("Yes", reasons.LOWER_PRIORITY_GIVES_WAY, message, fitting)


def _lead(count: _Count, rooms: Sequence[Room]) -> str:
    """What no node has, and why the others do not count: `No node with cpu free: 0 of 3; 2 tainted (a:NoSchedule)`."""
    if not rooms:
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
    return f"No node {_what(count.short)}: 0 of {len(rooms)}; {', '.join(parts)}"


def _what(short: Sequence[frozenset[str]]) -> str:
    if not short:
        return "that the flavor's pods may use"
    # What is short everywhere, else what is short anywhere.
    names = sorted(frozenset.intersection(*short) or frozenset.union(*short))
    return f"with {_some(['a place for a pod' if name == PODS else name for name in names], ' and ')} free"


def _most(counted: Counter[str]) -> str:
    return _some([name for name, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))], ", ")


def _some(items: list[str], joint: str) -> str:
    more = len(items) - _MAX_NAMED
    return joint.join(items[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _nodes(number: int) -> str:
    return f"{number} node{'' if number == 1 else 's'}"
