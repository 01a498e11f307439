"""DevServerUser: who may have DevServers, and how many."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import (
    DNS_LABEL,
    DNS_SUBDOMAIN,
    CommonStatus,
    CustomResource,
    DnsLabel,
    Model,
    Spec,
    pattern,
)
from crds.quotas import Quotas, QuotaStatus
from crds.rules import Rule

NAMESPACE_PREFIX = "dev-"


# By whatever list of the operator: these reach beyond DevServers, or beyond the namespace.
_NEVER_GIVEN = ("admin", "cluster-admin", "edit")


def is_never_given(role: str) -> bool:
    """Whether no user may ever get the role of that name."""
    return role in _NEVER_GIVEN or role.startswith("system:")


class RoleRef(Model):
    """A role that the user gets in the own namespace, always by a RoleBinding."""

    kind: Literal["ClusterRole", "Role"]
    # The RoleBinding is named after kind and role.
    name: Annotated[
        str,
        Field(pattern=pattern(DNS_SUBDOMAIN), max_length=240),
        Rule(
            f"!(self in {list(_NEVER_GIVEN)}) && !self.startsWith('system:')",
            f"{', '.join(_NEVER_GIVEN)} and system:* are never given to a user",
            lambda name: not is_never_given(name),
        ),
    ]


class Rbac(Model):
    """Rights beyond those that every user has in the own namespace."""

    additional_role_refs: Annotated[
        list[RoleRef],
        Field(max_length=16, description="Only roles that the operator's setting allows."),
    ] = []


class DevServerUserSpec(Spec):
    """A person who may create DevServers in a namespace of their own."""

    username: Annotated[
        str,
        Field(
            pattern=pattern(DNS_LABEL),
            max_length=50,
            description=f"The user's namespace is {NAMESPACE_PREFIX}USERNAME.",
        ),
        Rule(
            "self != 'default'",
            "default cannot be a username: every namespace has a ServiceAccount of that name, which is no person's",
            lambda name: name != "default",
        ),
        Rule("self == oldSelf", "cannot be changed: create another DevServerUser"),
    ]
    rbac: Rbac = Rbac()
    quotas: Quotas = Quotas()
    deletion_policy: Annotated[
        Literal["Retain", "Delete"],
        Field(description="What happens to the namespace and its data when the DevServerUser is deleted."),
    ] = "Retain"


class DevServerUserStatus(CommonStatus):
    """What the operator observed and did."""

    namespace: Annotated[DnsLabel, Field(description="The user's namespace.")] | None = None
    quota: QuotaStatus | None = None


class DevServerUser(CustomResource):
    """A person who may have development machines."""

    spec: DevServerUserSpec
    status: DevServerUserStatus = DevServerUserStatus()
