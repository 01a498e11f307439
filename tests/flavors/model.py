"""The reconciler's answer to each case, through the same reductions as in its watches."""

from collections.abc import Iterable

from crds import DevServerFlavorSpec
from reconciler.kinds.flavor.scheduling import capacity
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.scheduling.fit import Fit, fit
from reconciler.kinds.flavor.scheduling.node_info import node_infos
from reconciler.kinds.flavor.scheduling.pod_info import PodRefusedError, pod_info
from tests.flavors.cases import PRIORITIES, RUNTIME_CLASSES, Case, Object, admitted


def fit_of_case(case: Case, tag: str = "case") -> Fit:
    """Whether a pod of the case's flavor fits, without a cluster."""
    filled = Capacity(
        nodes=stored(map(capacity.reduce_node, case.node_manifests(tag))),
        pods=stored(
            capacity.reduce_pod(admitted(pod))
            for pod, held in zip(case.pod_manifests(tag), case.pods, strict=True)
            if held.phase not in ("Succeeded", "Failed")
        ),
        priority_classes=stored(
            capacity.reduce_priority_class({"metadata": {"name": name}, "value": value})
            for name, value in PRIORITIES.items()
        ),
        runtime_classes=stored(
            capacity.reduce_runtime_class({"metadata": {"name": name}, **fields})
            for name, fields in RUNTIME_CLASSES.items()
        ),
    )
    return fit_of(case.spec(tag), filled)


def fit_of(spec: Object, filled: Capacity) -> Fit:
    """Whether a pod of a flavor with that spec fits."""
    try:
        needed = pod_info(DevServerFlavorSpec.model_validate(spec), filled)
    except PodRefusedError as error:
        return Fit("No", error.reason, error.message)
    return fit(needed, node_infos(filled, needed.priority, needed.preempts), ())


def stored(objects: Iterable[Object]) -> dict[tuple[str, str], Object]:
    """The objects as a watch stores them."""
    return {(obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in objects}
