"""The cases as the reconciler judges them: through the same reductions as its watches."""

from collections.abc import Iterable

from crds import DevServerFlavorSpec
from reconciler.kinds.flavor.scheduling import capacity
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.scheduling.fit import Verdict, verdict
from reconciler.kinds.flavor.scheduling.node_info import rooms
from reconciler.kinds.flavor.scheduling.pod_info import Refused, demand
from tests.flavors.cases import PRIORITIES, RUNTIME_CLASSES, Case, Object, admitted


def judged(case: Case, tag: str = "case") -> Verdict:
    """The verdict on a case, without a cluster."""
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
    return verdict_on(case.spec(tag), filled)


def verdict_on(spec: Object, filled: Capacity) -> Verdict:
    """The verdict on a flavor's spec."""
    try:
        asked = demand(DevServerFlavorSpec.model_validate(spec), filled)
    except Refused as error:
        return Verdict("No", error.reason, error.message)
    return verdict(asked, rooms(filled, asked.priority, asked.preempts), ())


def stored(objects: Iterable[Object]) -> dict[tuple[str, str], Object]:
    """The objects as a watch stores them."""
    return {(obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in objects}
