"""The list of all kinds. A new kind adds one line here."""

from typing import Any

from crds.resources import Resource
from reconciler.controller.kind import Kind
from reconciler.kinds.devserver.kind import DevServerKind
from reconciler.kinds.flavor.kind import FlavorKind
from reconciler.kinds.user.kind import UserKind
from reconciler.kube.cache import Cache
from reconciler.settings import Settings

KindClasses = tuple[type[Kind[Any, Any]], ...]

KINDS: KindClasses = (
    DevServerKind,
    FlavorKind,
    UserKind,
)


def resources_of(kinds: KindClasses) -> tuple[Resource, ...]:
    """The custom resources of these kinds. A Cache is built for them."""
    return tuple(kind.resource for kind in kinds)


def build_kinds(
    kinds: KindClasses, cache: Cache, settings: Settings, cluster_id: str
) -> dict[str, Kind[Any, Any]]:
    """The kinds by name, all with the same cache. cluster_id: the uid of the namespace kube-system."""
    return {kind.resource.kind: kind(cache, settings, cluster_id) for kind in kinds}
