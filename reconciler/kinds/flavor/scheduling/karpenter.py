"""Whether a Karpenter NodePool may bring a node for a pod. Pure.

Only the provider knows which instance types there are. So the answer is "may": the NodePool's requirements, taints and
limits do not rule it out. The rules are those of https://karpenter.sh/docs/concepts/nodepools/ and of
https://github.com/kubernetes-sigs/karpenter/blob/main/pkg/scheduling/requirements.go
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.kinds.flavor.scheduling.capacity import reduce_object
from reconciler.kinds.flavor.scheduling.pod_info import PodInfo
from reconciler.kinds.flavor.scheduling.pod_requests import Requests, parse_quantities, rounded_up
from reconciler.kinds.flavor.scheduling.taints import Taint, enforced_taints, untolerated
from reconciler.kube.objects import Object

# Labels that every node gets, whatever its NodePool says of them. These and the earlier names are Karpenter's
# WellKnownLabels and NormalizedLabels: https://github.com/kubernetes-sigs/karpenter/blob/main/pkg/apis/v1/labels.go
_WELL_KNOWN = (
    "karpenter.sh/capacity-type",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)
# Beginnings of the labels that providers define.
_PROVIDERS = (
    "karpenter.k8s.",
    "karpenter.azure.com/",
    "karpenter.ibm.sh/",
    "eks.amazonaws.com/",
    "topology.k8s.aws/",
)
_EARLIER_NAMES = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
}
_NODE_POOL_LABEL = "karpenter.sh/nodepool"
_NODES = "nodes"


class Requirement(NamedTuple):
    """What a NodePool requires of a label of its nodes."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def allows(self, value: str) -> bool:
        """Whether the label may have that value. Raises ValueError for an operator that is not known."""
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return True
            case "DoesNotExist":
                return False
            case "Gt" | "Gte" | "Lt" | "Lte":
                return self._compares(value)
        raise ValueError(f"{self.key}: operator {self.operator!r} is not known")

    @property
    def bound(self) -> int:
        """The number of Gt, Gte, Lt and Lte. Raises ValueError if it is none."""
        if len(self.values) != 1 or not self.values[0].lstrip("-").isdecimal():
            raise ValueError(f"{self.key}: {self.operator} needs one whole number, not {list(self.values)}")
        return int(self.values[0])

    def _compares(self, value: str) -> bool:
        bound = self.bound
        try:
            number = int(value)
        except ValueError:
            return False
        return {
            "Gt": number > bound,
            "Gte": number >= bound,
            "Lt": number < bound,
            "Lte": number <= bound,
        }[self.operator]


@dataclass(frozen=True)
class NodePool:
    """A NodePool.

    unusable: why it brings no nodes at all; empty if it does. used: what its nodes take of its limits.
    fault: why it cannot be read; empty if it can.
    """

    name: str
    unusable: str = ""
    requirements: tuple[Requirement, ...] = ()
    taints: tuple[Taint, ...] = ()
    limits: Requests = field(default_factory=dict)
    used: Requests = field(default_factory=dict)
    fault: str = ""


def reduce_node_pool(obj: Object) -> Object:
    """A NodePool, reduced."""
    return reduce_object(obj, node_pool)


def node_pool(obj: Object) -> NodePool:
    """The NodePool of a manifest. Raises nothing: what cannot be read is its fault."""
    name = obj["metadata"]["name"]
    try:
        spec, status = obj["spec"], obj.get("status") or {}
        template = spec["template"]
        labels = (template.get("metadata") or {}).get("labels") or {}
        found = NodePool(
            name=name,
            unusable=_unusable(obj["metadata"], spec, status),
            requirements=(
                Requirement(_NODE_POOL_LABEL, "In", (name,)),
                *(Requirement(_current_name(key), "In", (value,)) for key, value in labels.items()),
                *(_requirement(item) for item in template["spec"].get("requirements") or []),
            ),
            taints=enforced_taints(template["spec"].get("taints")),
            limits=rounded_up(parse_quantities(spec.get("limits"))),
            used=rounded_up(parse_quantities(status.get("resources"))),
        )
        # This raises ValueError for an unknown operator and for a bound that is no number.
        for requirement in found.requirements:
            requirement.allows("0")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return NodePool(
            name, fault=str(error) if isinstance(error, ValueError) else f"it is malformed ({error!r})"
        )
    return found


def _unusable(metadata: Object, spec: Object, status: Object) -> str:
    if "deletionTimestamp" in metadata:
        return "it is being deleted"
    if "replicas" in spec:
        return "its number of nodes is fixed"
    ready = next((item for item in status.get("conditions") or [] if item["type"] == "Ready"), None)
    if ready is None or ready["status"] != "True":
        return "it is not ready"
    return ""


def _requirement(item: Mapping[str, Any]) -> Requirement:
    return Requirement(_current_name(item["key"]), item["operator"], tuple(item.get("values") or ()))


def _current_name(key: str) -> str:
    return _EARLIER_NAMES.get(key, key)


def incompatibility(pod_info: PodInfo, pool: NodePool) -> str:
    """Why the NodePool brings no node for such a pod; empty if it may."""
    if pool.unusable:
        return pool.unusable
    if taints := untolerated(pool.taints, pod_info.tolerations):
        return f"its taint {taints[0]} is not tolerated"
    for key in dict.fromkeys(requirement.key for requirement in pool.requirements):
        if not _satisfiable(_requirements_on(pool, key)):
            return f"no node can meet its requirements on {key}"
    for name, value in pod_info.node_selector.items():
        key = _current_name(name)
        required = _requirements_on(pool, key)
        is_defined = bool(required) or key in _WELL_KNOWN or key.startswith(_PROVIDERS)
        if not is_defined or not all(requirement.allows(value) for requirement in required):
            return f"no nodes with {name}={value}"
    for name, limit in pool.limits.items():
        amount = 1 if name == _NODES else pod_info.requests.get(name, 0)
        if pool.used.get(name, 0) + amount > limit:
            return f"its limit of {name} is reached"
    return ""


def _requirements_on(pool: NodePool, key: str) -> list[Requirement]:
    return [requirement for requirement in pool.requirements if requirement.key == key]


def _satisfiable(requirements: Iterable[Requirement]) -> bool:
    """Whether a label can meet all these requirements, by some value or by its absence."""
    required = list(requirements)
    if listed := [item.values for item in required if item.operator == "In"]:
        return any(all(item.allows(value) for item in required) for value in listed[0])
    operators = {item.operator for item in required}
    if "DoesNotExist" in operators:
        return operators <= {"DoesNotExist", "NotIn"}
    lowest = [item.bound + (item.operator == "Gt") for item in required if item.operator in ("Gt", "Gte")]
    highest = [item.bound - (item.operator == "Lt") for item in required if item.operator in ("Lt", "Lte")]
    return not lowest or not highest or max(lowest) <= min(highest)
