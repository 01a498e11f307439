"""Which flavor is the default, whether one finds room now, and which one like it does. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from crds import parse_quantity
from devctl.objects import Object, condition
from devctl.text import nearest

_NO_ROOM = "No"


def default_of(flavors: Sequence[Object]) -> str | None:
    """The flavor that is taken where none is named: the oldest default one, as the operator decides."""
    marked = [flavor for flavor in flavors if (flavor.get("spec") or {}).get("default")]
    marked.sort(
        key=lambda flavor: (flavor["metadata"].get("creationTimestamp", ""), flavor["metadata"]["name"])
    )
    return str(marked[0]["metadata"]["name"]) if marked else None


def hint(flavors: Sequence[Object], wanted: str | None) -> str:
    """What a user should know before a DevServer of that flavor is created; empty if all is well or nobody knows."""
    by_name = {str(flavor["metadata"]["name"]): flavor for flavor in flavors}
    name = wanted or default_of(flavors)
    if name is None:
        return "No flavor is named, and the cluster has no default. Name one with --flavor (see `devctl flavors`)."
    flavor = by_name.get(name)
    if flavor is None:
        return f"There is no flavor {name}{nearest(name, by_name)}. The DevServer would wait for it."
    if (flavor.get("status") or {}).get("schedulable") != _NO_ROOM:
        return ""
    why = why_not(flavor)
    other = nearest_with_room(flavors, flavor)
    instead = f"The nearest flavor with room is {other}." if other else "No similar flavor has room."
    return f"No node has room for flavor {name} now{f' ({why})' if why else ''}. {instead}"


def why_not(flavor: Object) -> str:
    """Why no pod of the flavor finds room now; empty if one does, or if nobody knows."""
    status = flavor.get("status") or {}
    if status.get("schedulable") in (None, "Yes", "Unknown"):
        return ""
    found = condition(flavor, "Schedulable")
    return str(
        status.get("message") or found.get("message") or status.get("reason") or found.get("reason") or ""
    )


def nearest_with_room(flavors: Sequence[Object], like: Object) -> str | None:
    """The flavor that finds room now and whose size differs least, the smaller one of two."""
    size = _size(like)
    ranked = []
    for flavor in flavors:
        if (flavor.get("status") or {}).get("schedulable") != "Yes":
            continue
        other = _size(flavor)
        if not _special(like) <= _special(flavor):
            continue
        larger = any(other[name] > size[name] for name in size)
        distance = sum((_relative(other[name], size[name]) for name in size), Decimal())
        ranked.append((distance, larger, str(flavor["metadata"]["name"])))
    return min(ranked)[2] if ranked else None


def _size(flavor: Object) -> dict[str, Decimal]:
    requests = ((flavor.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return {name: _number(requests.get(name)) for name in ("cpu", "memory")}


def _special(flavor: Object) -> set[str]:
    """What the flavor asks for besides the usual, such as nvidia.com/gpu."""
    requests = ((flavor.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return {name for name in requests if "/" in name}


def _number(quantity: object) -> Decimal:
    return Decimal(0) if quantity is None else parse_quantity(str(quantity))


def _relative(one: Decimal, other: Decimal) -> Decimal:
    largest = max(one, other)
    return abs(one - other) / largest if largest else Decimal(0)
