"""What a pod requests of a node, as kube-scheduler counts it. Pure.

This mirrors PodRequests of
https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/component-helpers/resource/helpers.go

Requests are whole numbers: thousandths of a CPU, bytes, pieces. Quantities are rounded up, as the API server and the
scheduler do. A quantity that cannot be read raises ValueError: it is never taken for zero.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any

from crds import parse_quantity
from reconciler.kube.client import Object

Requests = dict[str, int]
Quantities = dict[str, Decimal]
_MILLI = Decimal("0.001")
# Kubernetes clamps larger quantities to this:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go
_MAX_QUANTITY = Decimal(2**63 - 1)
# Prefixes of the resources that spec.resources of a pod may request for the pod as a whole (KEP-2837):
# https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/2837-pod-level-resource-spec
_POD_LEVEL = ("cpu", "memory", "hugepages-")


def pod_requests(pod: Object) -> Requests:
    """The effective requests of a pod: of its containers or, if larger, its init containers; then its overhead."""
    spec = pod["spec"]
    resizes = _Resizes(pod)
    running = total(resizes.requests_of(container) for container in spec.get("containers", []))
    # Init containers run one after another. A sidecar, once started, runs beside all that follow (KEP-753):
    # https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/753-sidecar-containers
    sidecars: Quantities = {}
    peak: Quantities = {}
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars = total((sidecars, resizes.requests_of(container)))
            peak = maximum(peak, sidecars)
        else:
            peak = maximum(peak, total((sidecars, container_requests(container.get("resources")))))
    effective = maximum(total((running, sidecars)), peak)
    of_the_pod = parse_quantities((spec.get("resources") or {}).get("requests"))
    effective |= {name: amount for name, amount in of_the_pod.items() if name.startswith(_POD_LEVEL)}
    return rounded_up(total((effective, parse_quantities(spec.get("overhead")))))


class _Resizes:
    """Requests of containers that may be resized in place: the largest amount counts until that is done (KEP-1287).

    https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/1287-in-place-update-pod-resources
    """

    def __init__(self, pod: Object) -> None:
        status = pod.get("status") or {}
        found = (status.get("containerStatuses") or []) + (status.get("initContainerStatuses") or [])
        self._statuses = {item["name"]: item for item in found if item.get("resources")}
        self._infeasible = any(
            condition["type"] == "PodResizePending" and condition.get("reason") == "Infeasible"
            for condition in status.get("conditions") or []
        )

    def requests_of(self, container: Object) -> Quantities:
        """The container's requests."""
        desired = container_requests(container.get("resources"))
        status = self._statuses.get(container["name"])
        if status is None:
            return desired
        actual = parse_quantities(status["resources"].get("requests"))
        held = maximum(actual, parse_quantities(status.get("allocatedResources")))
        return held if self._infeasible else maximum(desired, held)


def container_requests(resources: Mapping[str, Any] | None) -> Quantities:
    """The requests of a container. The API server makes a limit without a request the request."""
    resources = resources or {}
    return parse_quantities(resources.get("limits")) | parse_quantities(resources.get("requests"))


def parse_quantities(quantities: Mapping[str, Any] | None) -> Quantities:
    """Quantities by resource. Raises ValueError that names the resource whose quantity cannot be read."""
    amounts: Quantities = {}
    for name, value in (quantities or {}).items():
        try:
            amounts[name] = _parse(str(value))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return amounts


@lru_cache(maxsize=4096)
def _parse(text: str) -> Decimal:
    # As the API server does, round up to thousandths.
    return min(parse_quantity(text), _MAX_QUANTITY).quantize(_MILLI, ROUND_CEILING)


def rounded_up(amounts: Quantities) -> Requests:
    """Thousandths of a CPU, and whole units of everything else."""
    return {
        name: int((amount * 1000 if name == "cpu" else amount).to_integral_value(ROUND_CEILING))
        for name, amount in amounts.items()
    }


def maximum(one: Quantities, other: Quantities) -> Quantities:
    """The larger amount of each resource."""
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in one | other}


def total(parts: Iterable[Quantities]) -> Quantities:
    """The sum of each resource."""
    sums: Quantities = {}
    for part in parts:
        for name, amount in part.items():
            sums[name] = sums.get(name, Decimal(0)) + amount
    return sums
