"""Which flavor a DevServer gets: the named one or the default. Pure."""

from crds import DevServerFlavor, DevServerFlavorSpec
from crds.resources import FLAVOR
from reconciler.controller.desired import parsed
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Object, is_deleting
from reconciler.status import reasons
from reconciler.status.errors import WaitingError


def find_flavor(cache: Cache, name: str | None, had: str | None = None) -> tuple[str, DevServerFlavorSpec]:
    """The named flavor, or the default one if name is None. Raises WaitingError if there is none.

    had: the name of the flavor that the DevServer has now, for the error's message.
    """
    keeps = f" Until then the DevServer stays as flavor {had!r} defined it." if had is not None else ""
    if name is not None:
        found = cache.resources[FLAVOR.kind].get(("", name))
        if found is None or is_deleting(found):
            raise WaitingError(
                reasons.FLAVOR_NOT_FOUND,
                f"spec.flavor: there is no DevServerFlavor {name!r}; waiting for it.{keeps}",
            )
        return name, flavor_spec(found)
    default = default_flavor(cache)
    if default is None:
        raise WaitingError(
            reasons.NO_DEFAULT_FLAVOR,
            f"spec.flavor is empty and no DevServerFlavor has spec.default: true; waiting for one.{keeps}",
        )
    return default["metadata"]["name"], flavor_spec(default)


# Parsed flavors by the id of the watched object; the watch replaces the object when it changes. Flavors are few, and
# every pass of every DevServer needs one.
_flavors: dict[int, tuple[Object, DevServerFlavorSpec]] = {}
_MOST_FLAVORS = 256


def flavor_spec(flavor: Object) -> DevServerFlavorSpec:
    """The spec of a watched flavor. Raises StalledError if it does not fit the model."""
    known = _flavors.get(id(flavor))
    if known is not None and known[0] is flavor:
        return known[1]
    spec = parsed(DevServerFlavor, flavor).spec
    if len(_flavors) >= _MOST_FLAVORS:
        _flavors.clear()
    _flavors[id(flavor)] = flavor, spec
    return spec


def default_flavor(cache: Cache) -> Object | None:
    """The flavor for DevServers that name none: the oldest with spec.default. Names decide between equally old ones."""
    defaults = [
        flavor
        for flavor in cache.resources[FLAVOR.kind].values()
        if flavor.get("spec", {}).get("default") is True and not is_deleting(flavor)
    ]
    return min(
        defaults,
        key=lambda flavor: (flavor["metadata"]["creationTimestamp"], flavor["metadata"]["name"]),
        default=None,
    )
