"""What a DevServer's pod of a flavor asks of a node. Pure.

Mirrors the API server's admission of priorities and runtime classes, and its validation of resources:
https://github.com/kubernetes/kubernetes/blob/v1.34.4/plugin/pkg/admission/priority/admission.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/plugin/pkg/admission/runtimeclass/admission.go
https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/apis/core/validation/validation.go
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crds import DevServerFlavorSpec
from crds.flavor import Resources, Toleration
from reconciler import reasons
from reconciler.capacity import Capacity, PriorityClass, RuntimeClass, seen
from reconciler.requests import Requests, added, container_requests, exact, larger, whole
from reconciler.taints import DEFAULT_TOLERATIONS
from stacks.pod import TOOLS_REQUESTS

# Without a PriorityClass that is the default of the cluster.
_DEFAULT_PRIORITY = PriorityClass(0, True, True)
# Resources that pods may have more of than they asked for.
_SHARED = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES = "hugepages-"


class Refused(Exception):
    """The API server would refuse such a pod. reason: for the condition; the message names the field."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Demand:
    """What must be found. requests: effective ones. priority: pods of a lower one give way, if preempts."""

    requests: Requests
    node_selector: Mapping[str, str]
    tolerations: tuple[Toleration, ...]
    priority: int = 0
    preempts: bool = True


def demand(spec: DevServerFlavorSpec, capacity: Capacity) -> Demand:
    """What a pod of the flavor asks for. Raises Refused, and ValueError for what cannot be read."""
    _refuse_resources(spec.resources)
    runtime = _runtime_class(spec.runtime_class_name, capacity)
    priority = default_priority(seen(obj) for obj in capacity.priority_classes.values())
    resources = container_requests(spec.resources.model_dump())
    overhead = exact(runtime.overhead)
    return Demand(
        requests=whole(added((larger(resources, exact(TOOLS_REQUESTS)), overhead))),
        node_selector=_merged_selector(spec, runtime),
        tolerations=(*spec.tolerations, *runtime.tolerations, *DEFAULT_TOLERATIONS),
        priority=priority.value,
        preempts=priority.preempts,
    )


def default_priority(classes: Iterable[PriorityClass]) -> PriorityClass:
    """That of pods which name none: the lowest of the defaults, as the API server takes it."""
    defaults = [item for item in classes if item.is_default]
    return min(defaults, key=lambda item: item.value, default=_DEFAULT_PRIORITY)


def _refuse_resources(resources: Resources) -> None:
    """What the API server would refuse, for the schema of a flavor knows no resource by name."""
    requests, limits = container_requests(resources.model_dump()), exact(resources.limits)
    for name, amount in requests.items():
        if "/" not in name and name not in _SHARED and not name.startswith(_HUGE_PAGES):
            raise _refused(
                "resources",
                f"{name} is not a resource of containers (other names need a prefix, as in nvidia.com/gpu)",
            )
        if name not in _SHARED and amount != limits.get(name):
            raise _refused(
                "resources", f"{name} needs a limit equal to its request, because it cannot be overcommitted"
            )
        if "/" in name and amount % 1:
            raise _refused("resources", f"{name} must be a whole number")
    if any(name.startswith(_HUGE_PAGES) for name in requests) and not {"cpu", "memory"} & requests.keys():
        raise _refused("resources", "huge pages also need a request or limit for cpu or memory")


def _refused(field: str, what: str) -> Refused:
    return Refused(reasons.POD_REFUSED, f"spec.{field}: {what}.")


def _runtime_class(name: str | None, capacity: Capacity) -> RuntimeClass:
    if name is None:
        return RuntimeClass({}, {}, ())
    found: RuntimeClass | None = seen(capacity.runtime_classes.get(("", name)))
    if found is None:
        raise _refused("runtimeClassName", f"there is no RuntimeClass {name}")
    return found


def _merged_selector(spec: DevServerFlavorSpec, runtime: RuntimeClass) -> dict[str, str]:
    for key, value in runtime.node_selector.items():
        if spec.node_selector.get(key, value) != value:
            what = f"{key} must be {value!r} for RuntimeClass {spec.runtime_class_name}"
            raise _refused("nodeSelector", what)
    return {**spec.node_selector, **runtime.node_selector}
