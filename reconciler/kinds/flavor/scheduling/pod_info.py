"""What a DevServer's pod of a flavor needs of a node. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crds import DevServerFlavorSpec
from crds.flavor import Resources, Toleration
from reconciler.kinds.flavor.scheduling.capacity import Capacity, PriorityClass, RuntimeClass, relevant
from reconciler.kinds.flavor.scheduling.pod_requests import (
    Requests,
    container_requests,
    maximum,
    parse_quantities,
    rounded_up,
    total,
)
from reconciler.kinds.flavor.scheduling.taints import DEFAULT_TOLERATIONS
from reconciler.status import reasons
from stacks.tools import TOOLS_REQUESTS

# Of pods in a cluster where no PriorityClass is the default.
_DEFAULT_PRIORITY = PriorityClass(0, True, True)
# Resources of which a limit may exceed the request.
_OVERCOMMITTED = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES = "hugepages-"


class PodRefusedError(Exception):
    """The API server would refuse such a pod. reason: for the condition. message: names the field."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class PodInfo:
    """What a pod needs of a node. requests: effective ones. preempts: it may preempt pods of a lower priority."""

    requests: Requests
    node_selector: Mapping[str, str]
    tolerations: tuple[Toleration, ...]
    priority: int = 0
    preempts: bool = True


def pod_info(spec: DevServerFlavorSpec, capacity: Capacity) -> PodInfo:
    """What a pod of the flavor needs. Raises PodRefusedError, and ValueError for a quantity that cannot be read."""
    _check_resources(spec.resources)
    runtime = _runtime_class(spec.runtime_class_name, capacity)
    priority = default_priority(relevant(obj) for obj in capacity.priority_classes.values())
    # An init container copies the tools, before the main container runs.
    largest = maximum(container_requests(spec.resources.model_dump()), parse_quantities(TOOLS_REQUESTS))
    return PodInfo(
        requests=rounded_up(total((largest, parse_quantities(runtime.overhead)))),
        node_selector=_merged_selector(spec, runtime),
        tolerations=(*spec.tolerations, *runtime.tolerations, *DEFAULT_TOLERATIONS),
        priority=priority.value,
        preempts=priority.preempts,
    )


def default_priority(classes: Iterable[PriorityClass]) -> PriorityClass:
    """The priority of pods that name none: that of the lowest default class, as in getDefaultPriorityClass of
    https://github.com/kubernetes/kubernetes/blob/v1.34.4/plugin/pkg/admission/priority/admission.go
    """
    defaults = [item for item in classes if item.is_default]
    return min(defaults, key=lambda item: item.value, default=_DEFAULT_PRIORITY)


def _check_resources(resources: Resources) -> None:
    """Raise PodRefusedError for what the schema of a flavor allows and the API server refuses in a pod.

    See validateContainerResourceName and ValidateContainerResourceRequirements of
    https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/apis/core/validation/validation.go
    """
    requests, limits = container_requests(resources.model_dump()), parse_quantities(resources.limits)
    for name, amount in requests.items():
        if "/" not in name and name not in _OVERCOMMITTED and not name.startswith(_HUGE_PAGES):
            raise _refused(
                "resources",
                f"{name} is not a resource of containers (other names need a prefix, as in nvidia.com/gpu)",
            )
        if name not in _OVERCOMMITTED and amount != limits.get(name):
            raise _refused(
                "resources", f"{name} needs a limit equal to its request, because it cannot be overcommitted"
            )
        if "/" in name and amount % 1:
            raise _refused("resources", f"{name} must be a whole number")
    if any(name.startswith(_HUGE_PAGES) for name in requests) and not {"cpu", "memory"} & requests.keys():
        raise _refused("resources", "huge pages also need a request or limit for cpu or memory")


def _refused(field: str, what: str) -> PodRefusedError:
    return PodRefusedError(reasons.POD_REFUSED, f"spec.{field}: {what}.")


def _runtime_class(name: str | None, capacity: Capacity) -> RuntimeClass:
    if name is None:
        return RuntimeClass({}, {}, ())
    found: RuntimeClass | None = relevant(capacity.runtime_classes.get(("", name)))
    if found is None:
        raise _refused("runtimeClassName", f"there is no RuntimeClass {name}")
    return found


def _merged_selector(spec: DevServerFlavorSpec, runtime: RuntimeClass) -> dict[str, str]:
    """As https://github.com/kubernetes/kubernetes/blob/v1.34.4/plugin/pkg/admission/runtimeclass/admission.go does."""
    for key, value in runtime.node_selector.items():
        if spec.node_selector.get(key, value) != value:
            what = f"{key} must be {value!r} for RuntimeClass {spec.runtime_class_name}"
            raise _refused("nodeSelector", what)
    return {**spec.node_selector, **runtime.node_selector}
