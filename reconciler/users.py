"""DevServerUsers: who has a username, which roles are given, and what of the quota is used. Pure."""

from datetime import datetime

from crds import DevServerUser
from crds.quotas import MOST_LIMITS, QuotaStatus
from crds.user import Rbac, RoleRef
from reconciler import reasons
from reconciler.cluster import Object
from reconciler.errors import Stalled
from reconciler.gather import owner_of, parsed
from reconciler.queue import Key
from reconciler.readiness import APPLIED, Readiness
from reconciler.resources import USER
from reconciler.settings import Settings
from reconciler.shown import Shown
from reconciler.world import FINALIZER, World, annotations, belongs_to
from stacks.metadata import RETAINED_BY_ANNOTATION, Owner
from stacks.user import DevServerUserInputs, namespace_of, quota_of


def user_inputs(
    world: World, key: Key, resource: Object, settings: Settings, cluster_id: str, now: datetime
) -> DevServerUserInputs:
    """Inputs of a DevServerUser's program: roles that are not allowed are left out, and so taken away."""
    spec = parsed(DevServerUser, resource).spec
    holder = holder_of(world, spec.username)
    if holder != key.name:
        raise Stalled(
            reasons.USERNAME_TAKEN,
            f"spec.username: {spec.username} is taken by the DevServerUser {holder}. Choose another username or delete "
            f"{holder}.",
        )
    refs = spec.rbac.additional_role_refs
    allowed = [ref for ref in refs if _role(ref) in settings.allowed_roles]
    return DevServerUserInputs(
        owner=owner_of(key, resource),
        spec=spec.model_copy(update={"rbac": Rbac.model_validate({"additionalRoleRefs": allowed})}),
        refused_roles=tuple(
            f"spec.rbac.additionalRoleRefs[{index}]: {_role(ref)}"
            for index, ref in enumerate(refs)
            if ref not in allowed
        ),
        cluster_id=cluster_id,
    )


def _role(ref: RoleRef) -> str:
    return f"{ref.kind}/{ref.name}"


def objection(inputs: DevServerUserInputs) -> Stalled | None:
    """What the inputs leave out of the spec."""
    if not inputs.refused_roles:
        return None
    return Stalled(
        reasons.ROLE_NOT_ALLOWED,
        f"{'; '.join(inputs.refused_roles)}: not given, because the operator's setting DEVSERVER_ALLOWED_ROLES does "
        "not allow it. All else is applied.",
    )


def namesakes(world: World, username: str) -> list[Object]:
    """All DevServerUsers of that username. (A spec that does not fit the models may be among them.)"""
    users = world.resources[USER.kind].values()
    return [user for user in users if user.get("spec", {}).get("username") == username]


def holder_of(world: World, username: str) -> str:
    """Which DevServerUser has the username: whose namespace it is, if one has it, else the oldest.

    There must be one. One that is being deleted has it until it is gone. (Those of one second are not told apart by
    age: one whose stack was begun goes first.)
    """
    namespace = world.children[("v1", "Namespace")].get(("", namespace_of(username)))
    held_by = annotations(namespace).get(RETAINED_BY_ANNOTATION) if namespace is not None else None

    def rank(user: Object) -> tuple[bool, str, bool, str]:
        meta = user["metadata"]
        owner = Owner(USER.kind, "", meta["name"], meta["uid"])
        was_begun = FINALIZER in meta.get("finalizers", [])
        return owner.retained_by != held_by, meta["creationTimestamp"], not was_begun, meta["name"]

    holder: str = min(namesakes(world, username), key=rank)["metadata"]["name"]
    return holder


def readiness(world: World, owner: Owner) -> Readiness:
    """All children are in place, unless someone deletes the namespace. (What is gone is made again by a run.)"""
    user = world.resource(Key(owner.kind, owner.namespace, owner.name))
    name = namespace_of(user["spec"]["username"]) if user is not None else ""
    namespace = world.children[("v1", "Namespace")].get(("", name))
    if namespace is not None and "deletionTimestamp" in namespace["metadata"]:
        message = f"Namespace {name} is being deleted. It is created again once it is gone."
        since = namespace["metadata"]["deletionTimestamp"]
        return Readiness(False, reasons.NAMESPACE_TERMINATING, message, "Pending", since)
    return APPLIED


def shown(world: World, key: Key, resource: Object) -> Shown:
    """The quota's limits and the use against them, as the API server counts it."""
    child = quota_of(namespace_of(resource["spec"]["username"]))
    quota = world.child(child)
    if quota is None or not belongs_to(quota, owner_of(key, resource), child):
        return Shown({"quota": None})
    counted = quota.get("status", {})
    names = sorted(counted.get("hard", {}))[:MOST_LIMITS]
    hard, used = (
        {name: counted[part][name] for name in names if name in counted.get(part, {})}
        for part in ("hard", "used")
    )
    return Shown({"quota": QuotaStatus(hard=hard, used=used).manifest() if names else None})
