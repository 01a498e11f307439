"""From the watched objects to the inputs of a program. Pure: no request, no clock but the one passed in.

Each function raises Waiting or Stalled when there is no program to run.
"""

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from crds import (
    DevServer,
    DevServerFlavor,
    DevServerFlavorSpec,
)
from reconciler import expiry, reasons
from reconciler.cluster import Object
from reconciler.errors import Stalled, Waiting
from reconciler.home_size import size_to_ask_for
from reconciler.queue import Key
from reconciler.resources import FLAVOR, PVC
from reconciler.settings import Settings
from reconciler.sshkeys import authorized_key
from reconciler.text import one_line, shortened
from reconciler.world import World, annotations, belongs_to
from stacks.devserver import DevServerChildren, DevServerInputs
from stacks.flavor import DevServerFlavorInputs
from stacks.metadata import RETAINED_BY_ANNOTATION, Owner

_Model = TypeVar("_Model", bound=BaseModel)
_MAX_FAULTS = 1000


def parsed(model: type[_Model], resource: Object) -> _Model:
    """The resource as a model. Raises Stalled that names the fields which do not fit."""
    try:
        return model.model_validate(resource)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5]
        )
        # Keys of maps are the user's words.
        raise Stalled(reasons.INVALID_SPEC, shortened(one_line(faults), _MAX_FAULTS)) from error


def owner_of(key: Key, resource: Object) -> Owner:
    """The resource as the owner of its stack."""
    return Owner(key.kind, key.namespace, key.name, resource["metadata"]["uid"])


def devserver_inputs(
    world: World, key: Key, resource: Object, settings: Settings, cluster_id: str, now: datetime
) -> DevServerInputs:
    """Inputs of a DevServer's program."""
    devserver = parsed(DevServer, resource)
    owner = owner_of(key, resource)
    flavor_name, flavor = find_flavor(world, devserver.spec.flavor, devserver.status.flavor)
    ssh = devserver.spec.ssh
    extra = [
        authorized_key(line, f"spec.ssh.additionalPublicKeys[{index}]")
        for index, line in enumerate(ssh.additional_public_keys)
    ]
    _refuse_foreign_homes(world, owner, devserver)
    _refuse_to_move_the_home(world, owner, devserver)
    ends = expiry.expires_at(devserver, settings.default_time_to_live_s, settings.max_time_to_live_s, now)
    return DevServerInputs(
        owner=owner,
        spec=devserver.spec,
        flavor_name=flavor_name,
        flavor=flavor,
        authorized_keys=tuple(dict.fromkeys([authorized_key(ssh.public_key, "spec.ssh.publicKey"), *extra])),
        time_to_live=expiry.time_to_live(devserver, settings.default_time_to_live_s),
        expires_at=expiry.format_time(ends) if ends else None,
        warn_minutes=expiry.warning_minutes(expiry.created_at(resource), ends) if ends else (),
        home_size=_home_size(world, owner, devserver),
        tools_image=settings.tools_image,
        ssh_service_type=settings.ssh_service_type,
        cluster_id=cluster_id,
    )


def find_flavor(world: World, name: str | None, had: str | None = None) -> tuple[str, DevServerFlavorSpec]:
    """The named flavor, or without a name the default one. had: the one that the DevServer has been given."""
    keeps = f" Until then the DevServer stays as flavor {had!r} defined it." if had is not None else ""
    if name is not None:
        found = world.resources[FLAVOR.kind].get(("", name))
        if found is None or is_deleting(found):
            raise Waiting(
                reasons.FLAVOR_NOT_FOUND,
                f"spec.flavor: there is no DevServerFlavor {name!r}; waiting for it.{keeps}",
            )
        return name, _flavor_spec(found)
    default = default_flavor(world)
    if default is None:
        raise Waiting(
            reasons.NO_DEFAULT_FLAVOR,
            f"spec.flavor is empty and no DevServerFlavor has spec.default: true; waiting for one.{keeps}",
        )
    return default["metadata"]["name"], _flavor_spec(default)


# Flavors are few, and each pass of each DevServer looks at one. By the object itself: the watch replaces it.
_flavors: dict[int, tuple[Object, DevServerFlavorSpec]] = {}
_MOST_FLAVORS = 256


def _flavor_spec(flavor: Object) -> DevServerFlavorSpec:
    known = _flavors.get(id(flavor))
    if known is not None and known[0] is flavor:
        return known[1]
    spec = parsed(DevServerFlavor, flavor).spec
    if len(_flavors) >= _MOST_FLAVORS:
        _flavors.clear()
    _flavors[id(flavor)] = flavor, spec
    return spec


def default_flavor(world: World) -> Object | None:
    """The flavor that DevServers take which name none: the oldest that is marked so, by name among equals."""
    defaults = [
        flavor
        for flavor in world.resources[FLAVOR.kind].values()
        if flavor.get("spec", {}).get("default") is True and not is_deleting(flavor)
    ]
    return min(
        defaults,
        key=lambda flavor: (flavor["metadata"]["creationTimestamp"], flavor["metadata"]["name"]),
        default=None,
    )


def is_deleting(resource: Object) -> bool:
    """Whether the resource is on its way out."""
    return "deletionTimestamp" in resource["metadata"]


def _refuse_foreign_homes(world: World, owner: Owner, devserver: DevServer) -> None:
    claims = world.children[(PVC.api_version, PVC.kind)]
    for index, volume in enumerate(devserver.spec.volumes):
        claim = claims.get((owner.namespace, volume.claim_name))
        if claim is not None and RETAINED_BY_ANNOTATION in annotations(claim):
            raise Stalled(
                reasons.FOREIGN_HOME,
                f"spec.volumes[{index}].claimName: {volume.claim_name} is the home of a DevServer and cannot be "
                "mounted as a volume.",
            )


def _refuse_to_move_the_home(world: World, owner: Owner, devserver: DevServer) -> None:
    """The engine would delete the home and make another one. (The API server compares with the last spec only.)"""
    child = DevServerChildren.of(owner).home
    home, claim = devserver.spec.home, world.child(child)
    if (
        home is None
        or home.storage_class_name is None
        or claim is None
        or not belongs_to(claim, owner, child)
    ):
        return
    live = claim["spec"].get("storageClassName")
    if live not in (None, home.storage_class_name):
        raise Stalled(
            reasons.HOME_CANNOT_MOVE,
            f"spec.home.storageClassName: {claim['metadata']['name']} has the class {live!r} and cannot be moved to "
            f"{home.storage_class_name!r}. Set it back to {live!r}, or save the data and delete the claim.",
        )


def _home_size(world: World, owner: Owner, devserver: DevServer) -> str | None:
    home = devserver.spec.home
    if home is None:
        return None
    claim = world.child(DevServerChildren.of(owner).home)
    return size_to_ask_for(home.size, claim, world.storage_class(claim))


def flavor_inputs(
    world: World, key: Key, resource: Object, settings: Settings, cluster_id: str, now: datetime
) -> DevServerFlavorInputs:
    """Inputs of a DevServerFlavor's program."""
    return DevServerFlavorInputs(
        owner=owner_of(key, resource),
        spec=parsed(DevServerFlavor, resource).spec,
        namespace=settings.namespace,
        tools_image=settings.tools_image,
        cluster_id=cluster_id,
    )
