"""The stack of a DevServerUser: a namespace of their own, an identity, their rights and bounds in it."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import (
    LimitRange,
    LimitRangeItemArgs,
    LimitRangeSpecArgs,
    Namespace,
    ResourceQuota,
    ResourceQuotaSpecArgs,
    ServiceAccount,
)
from pulumi_kubernetes.rbac.v1 import RoleBinding, RoleRefArgs, SubjectArgs

from crds import NAMESPACE_PREFIX, DevServerUserSpec
from crds.user import RoleRef
from stacks.metadata import (
    USER_LABEL,
    Child,
    Owner,
    child_metadata,
    child_options,
    make_provider,
    retained_metadata,
)

# Shipped with the CRDs (deploy/roles.yaml): what every user may do in the own namespace.
USER_CLUSTER_ROLE = "devserver-user"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class DevServerUserInputs:
    """All that the program depends on."""

    owner: Owner
    spec: DevServerUserSpec
    cluster_id: str

    @property
    def namespace(self) -> str:
        """The user's namespace."""
        return f"{NAMESPACE_PREFIX}{self.spec.username}"


def _namespace(inputs: DevServerUserInputs) -> Child:
    return Child("v1", "Namespace", "", inputs.namespace, retained=True)


def _service_account(inputs: DevServerUserInputs) -> Child:
    return Child("v1", "ServiceAccount", inputs.namespace, inputs.spec.username)


def _bindings(inputs: DevServerUserInputs) -> dict[Child, RoleRef]:
    """Every role that the user gets, by the RoleBinding that gives it."""
    refs = [RoleRef(kind="ClusterRole", name=USER_CLUSTER_ROLE), *inputs.spec.rbac.additional_role_refs]
    return {
        Child(f"{_RBAC}/v1", "RoleBinding", inputs.namespace, f"{ref.kind.lower()}.{ref.name}"): ref
        for ref in refs
    }


def _quota(inputs: DevServerUserInputs) -> Child:
    return Child("v1", "ResourceQuota", inputs.namespace, "devserver-quota")


def _limits(inputs: DevServerUserInputs) -> Child:
    return Child("v1", "LimitRange", inputs.namespace, "devserver-limits")


def children(inputs: DevServerUserInputs) -> tuple[Child, ...]:
    """The objects that the program makes for these inputs."""
    optional = []
    if inputs.spec.quotas.resource_quota_spec is not None:
        optional.append(_quota(inputs))
    if inputs.spec.quotas.limit_range_spec is not None:
        optional.append(_limits(inputs))
    return (_namespace(inputs), _service_account(inputs), *_bindings(inputs), *optional)


def program(inputs: DevServerUserInputs) -> None:
    """The inline program."""
    provider = make_provider(inputs.cluster_id)
    retain = inputs.spec.deletion_policy == "Retain"
    namespace = Namespace(
        "namespace",
        metadata=retained_metadata(
            inputs.owner,
            _namespace(inputs),
            belongs_to=inputs.spec.username,
            labels={USER_LABEL: inputs.spec.username},
        ),
        opts=child_options(provider, retain=retain),
    )
    options = pulumi.ResourceOptions.merge(
        child_options(provider), pulumi.ResourceOptions(depends_on=[namespace])
    )
    account = _service_account(inputs)
    ServiceAccount("service-account", metadata=child_metadata(inputs.owner, account), opts=options)
    subjects = [
        SubjectArgs(kind="ServiceAccount", name=account.name, namespace=account.namespace),
        SubjectArgs(kind="User", name=inputs.spec.username, api_group=_RBAC),
    ]
    for child, ref in _bindings(inputs).items():
        RoleBinding(
            f"binding-{child.name}",
            metadata=child_metadata(inputs.owner, child),
            role_ref=RoleRefArgs(api_group=_RBAC, kind=ref.kind, name=ref.name),
            subjects=subjects,
            opts=options,
        )
    _bounds(inputs, options)
    pulumi.export("namespace", inputs.namespace)


def _bounds(inputs: DevServerUserInputs, options: pulumi.ResourceOptions) -> None:
    quota, limits = inputs.spec.quotas.resource_quota_spec, inputs.spec.quotas.limit_range_spec
    if quota is not None:
        ResourceQuota(
            "quota",
            metadata=child_metadata(inputs.owner, _quota(inputs)),
            spec=ResourceQuotaSpecArgs(hard=dict(quota.hard)),
            opts=options,
        )
    if limits is not None:
        items = [
            LimitRangeItemArgs(
                type=item.type,
                default=dict(item.default),
                default_request=dict(item.default_request),
                max=dict(item.max),
                min=dict(item.min),
            )
            for item in limits.limits
        ]
        LimitRange(
            "limits",
            metadata=child_metadata(inputs.owner, _limits(inputs)),
            spec=LimitRangeSpecArgs(limits=items),
            opts=options,
        )
