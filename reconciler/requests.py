"""What a pod asks of a node, as the scheduler counts it. Pure.

Amounts are whole numbers: thousandths of a CPU, bytes, pieces. Quantities are rounded up, as the API server and the
scheduler do. A quantity that cannot be read raises ValueError: it is never taken for zero.

Mirrors PodRequests, with sidecars (KEP-753), resizes (KEP-1287) and requests of a whole pod (KEP-2837):
https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/component-helpers/resource/helpers.go
https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/753-sidecar-containers
https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/1287-in-place-update-pod-resources
https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/2837-pod-level-resource-spec
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any

from crds import parse_quantity

Object = dict[str, Any]
Requests = dict[str, int]
Exact = dict[str, Decimal]
_MILLI = Decimal("0.001")
# Larger amounts are clamped to this, as Kubernetes does:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go
_MOST = Decimal(2**63 - 1)
# What may be asked for as a whole pod, in its spec.resources.
_POD_LEVEL = ("cpu", "memory", "hugepages-")


def pod_requests(pod: Object) -> Requests:
    """The effective requests of a pod, by resource: of its containers or, if larger, its init containers; overhead."""
    spec = pod["spec"]
    resizes = _Resizes(pod)
    running = added(resizes.asked(container) for container in spec.get("containers", []))
    # A sidecar runs from its turn on, beside all that follows; other init containers run one after another.
    sidecars: Exact = {}
    peak: Exact = {}
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars = added((sidecars, resizes.asked(container)))
            peak = larger(peak, sidecars)
        else:
            peak = larger(peak, added((sidecars, container_requests(container.get("resources")))))
    effective = larger(added((running, sidecars)), peak)
    as_a_whole = exact((spec.get("resources") or {}).get("requests"))
    effective |= {name: amount for name, amount in as_a_whole.items() if name.startswith(_POD_LEVEL)}
    return whole(added((effective, exact(spec.get("overhead")))))


class _Resizes:
    """What containers ask for, given that some are being resized: until that is done the larger amount counts."""

    def __init__(self, pod: Object) -> None:
        status = pod.get("status") or {}
        found = (status.get("containerStatuses") or []) + (status.get("initContainerStatuses") or [])
        self._statuses = {item["name"]: item for item in found if item.get("resources")}
        self._infeasible = any(
            condition["type"] == "PodResizePending" and condition.get("reason") == "Infeasible"
            for condition in status.get("conditions") or []
        )

    def asked(self, container: Object) -> Exact:
        """The container's requests."""
        wanted = container_requests(container.get("resources"))
        status = self._statuses.get(container["name"])
        if status is None:
            return wanted
        held = larger(exact(status["resources"].get("requests")), exact(status.get("allocatedResources")))
        return held if self._infeasible else larger(wanted, held)


def container_requests(resources: Mapping[str, Any] | None) -> Exact:
    """What a container asks for. A limit without a request is a request: the API server makes it one."""
    resources = resources or {}
    return exact(resources.get("limits")) | exact(resources.get("requests"))


def exact(quantities: Mapping[str, Any] | None) -> Exact:
    """A list of resources, read. Raises ValueError that names the resource."""
    amounts: Exact = {}
    for name, value in (quantities or {}).items():
        try:
            amounts[name] = _amount(str(value))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return amounts


@lru_cache(maxsize=4096)
def _amount(text: str) -> Decimal:
    # The API server rounds up what is finer.
    return min(parse_quantity(text), _MOST).quantize(_MILLI, ROUND_CEILING)


def whole(amounts: Exact) -> Requests:
    """Thousandths of a CPU, and everything else in whole pieces."""
    return {
        name: int((amount * 1000 if name == "cpu" else amount).to_integral_value(ROUND_CEILING))
        for name, amount in amounts.items()
    }


def larger(one: Exact, other: Exact) -> Exact:
    """The larger amount of each resource."""
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in one | other}


def added(parts: Iterable[Exact]) -> Exact:
    """The sum of each resource."""
    sums: Exact = {}
    for part in parts:
        for name, amount in part.items():
            sums[name] = sums.get(name, Decimal(0)) + amount
    return sums
