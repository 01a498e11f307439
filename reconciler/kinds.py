"""The kinds, each registered in one place. docs/new-kind.md shows how to add one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from crds import DevServer, DevServerFlavor, DevServerUser
from crds.base import CommonStatus, Metadata
from crds.devserver import Home
from reconciler import expiry, flavor_views, gather, reasons, users
from reconciler.cluster import Object
from reconciler.errors import Stalled
from reconciler.home_size import shortfall
from reconciler.hostkeys import HostKeySource
from reconciler.queue import Key
from reconciler.readiness import APPLIED, Readiness, Restart, devserver_readiness, pending_restart
from reconciler.resources import CHILD_RESOURCES, DEVSERVER, FLAVOR, USER, Resource
from reconciler.settings import Settings
from reconciler.shown import Shown, Stated
from reconciler.ssh_address import ssh_address
from reconciler.world import World, belongs_to
from stacks import flavor, user
from stacks.declarations import Program
from stacks.devserver import program as devserver
from stacks.devserver.program import SSH_PORT, DevServerChildren, DevServerInputs
from stacks.metadata import Owner

Model = DevServer | DevServerFlavor | DevServerUser


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to run. facts: status fields that only this step knows."""

    program: Program
    facts: dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """What the loop needs to know of a kind.

    gather: the inputs from the watched objects; raises Waiting or Stalled.
    objection: what of the spec the inputs leave out, for the user to correct; the rest is applied.
    declared: the program as far as the inputs tell it, for the digest.
    prepare: the program from the inputs and from live facts that need a request.
    expires_at: when the resource ends.
    person: whose data its retained children hold.
    keeps: whether the spec as it is now wants a retained child kept on deletion.
    readiness, restart: what the cluster shows of it.
    facts: status fields of this kind from its inputs.
    shows: status fields and conditions of this kind from the cluster as it is, even where the spec is no good.
    child_resources: kinds of children that carry the resource's uid, in the order of the sweep.
    """

    resource: Resource
    model: type[Model]
    gather: Callable[[World, Key, Object, Settings, str, datetime], Any]
    objection: Callable[[Any], Stalled | None]
    declared: Callable[[Any], Program]
    prepare: Callable[[Any, Owner, HostKeySource], Awaitable[Prepared]]
    expires_at: Callable[[Any, Settings, datetime], datetime | None]
    person: Callable[[Any], str]
    keeps: Callable[[Any], bool]
    readiness: Callable[[World, Owner], Readiness]
    restart: Callable[[World, Any], Restart | None]
    facts: Callable[[Any], dict[str, Any]]
    shows: Callable[[World, Key, Object], Shown]
    child_resources: tuple[Resource, ...]


def identity(model: Model) -> tuple[Metadata, CommonStatus]:
    """The parts that every kind has."""
    return model.metadata, model.status


def _resources(*kinds: tuple[str, str]) -> tuple[Resource, ...]:
    return tuple(CHILD_RESOURCES[kind] for kind in kinds)


_RBAC = "rbac.authorization.k8s.io/v1"


# --- DevServer ---------------------------------------------------------------------------------------------


async def _prepare_devserver(inputs: DevServerInputs, owner: Owner, host_keys: HostKeySource) -> Prepared:
    names = DevServerChildren.of(owner)
    keys = await host_keys(owner, names.host_keys)
    service = {"service": names.ssh.name, "port": SSH_PORT, "hostKeys": list(keys.public)}
    return Prepared(devserver.program(inputs, keys), facts={"ssh": service})


def _devserver_expiry(model: DevServer, settings: Settings, now: datetime) -> datetime | None:
    return expiry.expires_at(model, settings.default_time_to_live_s, settings.max_time_to_live_s, now)


def pod_of(world: World, owner: Owner) -> Object | None:
    """The DevServer's pod: the StatefulSet's first and only one."""
    return world.pods.get((owner.namespace, f"{owner.name}-0"))


def _devserver_readiness(world: World, owner: Owner) -> Readiness:
    stateful_set = DevServerChildren.of(owner).stateful_set
    refusal = world.refusals.get((stateful_set.namespace, stateful_set.name))
    pod = pod_of(world, owner)
    told = world.pod_events.of(pod) if pod is not None else ()
    return devserver_readiness(world.child(stateful_set), pod, refusal, told)


def _devserver_restart(world: World, model: DevServer) -> Restart | None:
    meta = model.metadata
    owner = Owner("DevServer", meta.namespace or "", meta.name, meta.uid)
    stateful_set = world.child(DevServerChildren.of(owner).stateful_set)
    return pending_restart(stateful_set, pod_of(world, owner), model.spec.update_policy)


def _devserver_facts(inputs: DevServerInputs) -> dict[str, Any]:
    ttl = inputs.time_to_live
    return {"expiresAt": inputs.expires_at, "timeToLive": ttl, "flavor": inputs.flavor_name}


def _devserver_shows(world: World, key: Key, resource: Object) -> Shown:
    owner = gather.owner_of(key, resource)
    service = world.child(DevServerChildren.of(owner).ssh)
    if service is not None and not belongs_to(service, owner, DevServerChildren.of(owner).ssh):
        service = None
    return Shown(
        fields={"sshAddress": ssh_address(service, pod_of(world, owner))},
        conditions={reasons.HOME_SMALLER: _home_shortfall(world, owner, resource)},
    )


def _home_shortfall(world: World, owner: Owner, resource: Object) -> Stated | None:
    child = DevServerChildren.of(owner).home
    claim = world.child(child)
    if claim is None or not belongs_to(claim, owner, child):
        return None
    try:
        size = Home.model_validate(resource["spec"].get("home")).size
    except ValidationError:
        return None
    return shortfall(size, claim, world.storage_class(claim))


_DEVSERVER = Kind(
    resource=DEVSERVER,
    model=DevServer,
    gather=gather.devserver_inputs,
    objection=lambda inputs: None,
    declared=lambda inputs: devserver.program(inputs, devserver.UNKNOWN_HOST_KEYS),
    prepare=_prepare_devserver,
    expires_at=_devserver_expiry,
    person=lambda model: model.spec.owner,
    keeps=lambda model: model.spec.home is None or model.spec.home.on_delete == "Retain",
    readiness=_devserver_readiness,
    restart=_devserver_restart,
    facts=_devserver_facts,
    shows=_devserver_shows,
    child_resources=_resources(
        ("apps/v1", "StatefulSet"), ("v1", "Service"), ("v1", "ConfigMap"), ("v1", "Secret")
    ),
)


# --- DevServerFlavor ---------------------------------------------------------------------------------------


async def _prepare_flavor(inputs: flavor.DevServerFlavorInputs, owner: Owner, _: HostKeySource) -> Prepared:
    return Prepared(flavor.program(inputs), {})


_FLAVOR = Kind(
    resource=FLAVOR,
    model=DevServerFlavor,
    gather=gather.flavor_inputs,
    objection=lambda inputs: None,
    declared=flavor.program,
    prepare=_prepare_flavor,
    expires_at=lambda model, settings, now: None,
    person=lambda model: "",
    keeps=lambda model: True,
    readiness=lambda world, owner: APPLIED,
    restart=lambda world, model: None,
    facts=lambda inputs: {},
    shows=flavor_views.shows,
    child_resources=_resources(("apps/v1", "DaemonSet"), ("apps/v1", "Deployment")),
)


# --- DevServerUser -----------------------------------------------------------------------------------------


async def _prepare_user(inputs: user.DevServerUserInputs, owner: Owner, _: HostKeySource) -> Prepared:
    # It may be someone else's until the run has begun.
    return Prepared(user.program(inputs), {"namespace": inputs.namespace})


_USER = Kind(
    resource=USER,
    model=DevServerUser,
    gather=users.user_inputs,
    objection=users.objection,
    declared=user.program,
    prepare=_prepare_user,
    expires_at=lambda model, settings, now: None,
    person=lambda model: model.spec.username,
    keeps=lambda model: model.spec.deletion_policy == "Retain",
    readiness=users.readiness,
    restart=lambda world, model: None,
    facts=lambda inputs: {},
    shows=users.shown,
    child_resources=_resources(
        (_RBAC, "RoleBinding"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("v1", "ServiceAccount"),
        ("v1", "ResourceQuota"),
        ("v1", "LimitRange"),
    ),
)

KINDS: dict[str, Kind] = {kind.resource.kind: kind for kind in (_DEVSERVER, _FLAVOR, _USER)}
