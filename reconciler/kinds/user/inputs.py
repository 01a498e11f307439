"""Makes the inputs of a DevServerUser's program from the DevServerUser and the cache. Pure."""

from crds import DevServerUser
from crds.user import Rbac, RoleRef
from reconciler.kinds.user.username import holder_of
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Object, owner_of
from reconciler.settings import Settings
from reconciler.status import reasons
from reconciler.status.errors import StalledError
from stacks.user import DevServerUserInputs


def user_inputs(
    cache: Cache, settings: Settings, cluster_id: str, resource: Object, user: DevServerUser
) -> DevServerUserInputs:
    """Inputs of a DevServerUser's program. They leave out roles that are not allowed, so the run removes those.

    resource: the watched object. user: the same, parsed. Raises StalledError if another one has the username.
    """
    spec, owner = user.spec, owner_of(resource)
    holder = holder_of(cache, spec.username)
    if holder != owner.name:
        raise StalledError(
            reasons.USERNAME_TAKEN,
            f"spec.username: {spec.username} is taken by the DevServerUser {holder}. Choose another username or delete "
            f"{holder}.",
        )
    refs = spec.rbac.additional_role_refs
    allowed = [ref for ref in refs if _role(ref) in settings.allowed_roles]
    return DevServerUserInputs(
        owner=owner,
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


def rejected_roles(inputs: DevServerUserInputs) -> StalledError | None:
    """An error that names the roles that the inputs leave out; None if there are none."""
    if not inputs.refused_roles:
        return None
    return StalledError(
        reasons.ROLE_NOT_ALLOWED,
        f"{'; '.join(inputs.refused_roles)}: not given, because the operator's setting DEVSERVER_ALLOWED_ROLES does "
        "not allow it. All else is applied.",
    )
