"""DevServerUser: who may have DevServers, and how many."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import CommonStatus, CustomResource, Model, Spec
from crds.fields import DNS_LABEL, DNS_SUBDOMAIN, DnsLabel, pattern
from crds.quotas import Quotas, QuotaStatus
from crds.rules import Rule

NAMESPACE_PREFIX = "dev-"


# By whatever list of the operator: these reach beyond DevServers, or beyond the namespace.
_NEVER_GIVEN = ("admin", "cluster-admin", "edit")


def is_never_given(role: str) -> bool:
    """Whether no user may ever get the role of that name."""
    return role in _NEVER_GIVEN or role.startswith("system:")


class RoleRef(Model):
    """A role that the user gets. It is always given by a RoleBinding, so it holds in the user's namespace only."""

    kind: Annotated[
        Literal["ClusterRole", "Role"],
        Field(description="Kind of the role. A Role must exist in the user's namespace."),
    ]
    # The RoleBinding is named after kind and role.
    name: Annotated[
        str,
        Field(
            pattern=pattern(DNS_SUBDOMAIN),
            max_length=240,
            description="Name of the role. admin, cluster-admin, edit and system:* are never given.",
        ),
        Rule(
            f"!(self in {list(_NEVER_GIVEN)}) && !self.startsWith('system:')",
            f"{', '.join(_NEVER_GIVEN)} and system:* are never given to a user",
            lambda name: not is_never_given(name),
        ),
    ]


class Rbac(Model):
    """Rights in the user's namespace beyond those that every user has there."""

    additional_role_refs: Annotated[
        list[RoleRef],
        Field(
            max_length=16,
            description="Further roles, up to 16. Only roles that the operator's setting DEVSERVER_ALLOWED_ROLES lists "
            "are given; the condition Stalled names the others.",
        ),
    ] = []


class DevServerUserSpec(Spec):
    """A person who may create DevServers in a namespace of their own."""

    username: Annotated[
        str,
        Field(
            pattern=pattern(DNS_LABEL),
            max_length=50,
            description="Name by which the cluster knows the user. The user's namespace is "
            f"{NAMESPACE_PREFIX}USERNAME. It cannot be changed later.",
        ),
        Rule(
            "self != 'default'",
            "default cannot be a username: every namespace has a ServiceAccount of that name",
            lambda name: name != "default",
        ),
        Rule("self == oldSelf", "cannot be changed: create another DevServerUser"),
    ]
    rbac: Rbac = Rbac()
    quotas: Quotas = Quotas()
    deletion_policy: Annotated[
        Literal["Retain", "Delete"],
        Field(
            description="What happens to the namespace when the DevServerUser is deleted. Retain (the default): the "
            "user's rights are removed; the namespace, its DevServers and their data stay for a DevServerUser of the "
            "same name and username. Delete: the namespace is deleted with everything in it."
        ),
    ] = "Retain"


class DevServerUserStatus(CommonStatus):
    """The state of the user, as the operator last saw it."""

    namespace: Annotated[DnsLabel, Field(description="Name of the user's namespace.")] | None = None
    quota: QuotaStatus | None = None


class DevServerUser(CustomResource):
    """A person who may have DevServers, in a namespace of their own."""

    spec: DevServerUserSpec
    status: DevServerUserStatus = DevServerUserStatus()
