"""DevServerUser: who may have DevServers, and how many."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import (
    DNS_LABEL,
    CommonStatus,
    CustomResource,
    DnsLabel,
    DnsSubdomain,
    Model,
    ResourceList,
    Spec,
    pattern,
)
from crds.rules import Rule

NAMESPACE_PREFIX = "dev-"


class RoleRef(Model):
    """A role that the user gets in the own namespace, always by a RoleBinding."""

    kind: Literal["ClusterRole", "Role"]
    name: DnsSubdomain


class Rbac(Model):
    """Rights beyond those that every user has in the own namespace."""

    additional_role_refs: Annotated[
        list[RoleRef],
        Field(max_length=16, description="Only roles that the operator's setting allows."),
    ] = []


class ResourceQuotaSpec(Model):
    """core/v1 ResourceQuotaSpec, hard limits only."""

    hard: ResourceList = {}


class LimitRangeItem(Model):
    """core/v1 LimitRangeItem."""

    type: Literal["Container", "Pod", "PersistentVolumeClaim"]
    default: ResourceList = {}
    default_request: ResourceList = {}
    max: ResourceList = {}
    min: ResourceList = {}


class LimitRangeSpec(Model):
    """core/v1 LimitRangeSpec."""

    limits: Annotated[list[LimitRangeItem], Field(max_length=8)] = []


class Quotas(Model):
    """Bounds on what the user's namespace may hold."""

    resource_quota_spec: ResourceQuotaSpec | None = None
    limit_range_spec: LimitRangeSpec | None = None


class DevServerUserSpec(Spec):
    """A person who may create DevServers in a namespace of their own."""

    username: Annotated[
        str,
        Field(
            pattern=pattern(DNS_LABEL),
            max_length=50,
            description=f"The user's namespace is {NAMESPACE_PREFIX}USERNAME.",
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


class DevServerUser(CustomResource):
    """A person who may have development machines."""

    spec: DevServerUserSpec
    status: DevServerUserStatus = DevServerUserStatus()
