"""The stack of a DevServerUser: a namespace of their own, an identity, their rights and bounds in it.

When the user goes and the namespace stays, rights and the way in by SSH go; what shuts others out of it stays too.
"""

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
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs
from pulumi_kubernetes.networking.v1 import (
    NetworkPolicy,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)
from pulumi_kubernetes.rbac.v1 import RoleBinding, RoleRefArgs, SubjectArgs

from crds import NAMESPACE_PREFIX, DevServerUserSpec
from crds.user import RoleRef
from stacks.metadata import (
    NAME_LABEL,
    USER_LABEL,
    Child,
    Owner,
    child_metadata,
    child_options,
    make_provider,
    retained_metadata,
)
from stacks.pod import SSHD_PORT

# Shipped with the CRDs (deploy/roles.yaml): what every user may do in the own namespace.
USER_CLUSTER_ROLE = "devserver-user"
_RBAC = "rbac.authorization.k8s.io"
_NETWORKING = "networking.k8s.io"
# The level that pods of DevServers meet. Nothing else is to run in a user's namespace.
_POD_SECURITY = {
    "pod-security.kubernetes.io/enforce": "baseline",
    "pod-security.kubernetes.io/enforce-version": "latest",
}


def namespace_of(username: str) -> str:
    """The namespace of the user of that name."""
    return f"{NAMESPACE_PREFIX}{username}"


@dataclass(frozen=True)
class DevServerUserInputs:
    """All that the program depends on.

    spec: without the roles that the operator does not allow, which are named in refused_roles.
    """

    owner: Owner
    spec: DevServerUserSpec
    refused_roles: tuple[str, ...]
    cluster_id: str

    @property
    def namespace(self) -> str:
        """The user's namespace."""
        return namespace_of(self.spec.username)


def _namespace(inputs: DevServerUserInputs) -> Child:
    return Child("v1", "Namespace", "", inputs.namespace, retained=True)


def _service_account(inputs: DevServerUserInputs) -> Child:
    return Child("v1", "ServiceAccount", inputs.namespace, inputs.spec.username)


def _default_deny(inputs: DevServerUserInputs) -> Child:
    return Child(
        f"{_NETWORKING}/v1", "NetworkPolicy", inputs.namespace, "devserver-default-deny", retained=True
    )


def _ssh(inputs: DevServerUserInputs) -> Child:
    return Child(f"{_NETWORKING}/v1", "NetworkPolicy", inputs.namespace, "devserver-ssh")


def _bindings(inputs: DevServerUserInputs) -> dict[Child, RoleRef]:
    """Every role that the user gets, by the RoleBinding that gives it."""
    refs = [RoleRef(kind="ClusterRole", name=USER_CLUSTER_ROLE), *inputs.spec.rbac.additional_role_refs]
    return {
        Child(f"{_RBAC}/v1", "RoleBinding", inputs.namespace, f"{ref.kind.lower()}.{ref.name}"): ref
        for ref in refs
    }


def quota_of(namespace: str) -> Child:
    """The quota of a user's namespace, if the spec has one."""
    return Child("v1", "ResourceQuota", namespace, "devserver-quota")


def _limits(inputs: DevServerUserInputs) -> Child:
    return Child("v1", "LimitRange", inputs.namespace, "devserver-limits")


def children(inputs: DevServerUserInputs) -> tuple[Child, ...]:
    """The objects that the program makes for these inputs."""
    optional = []
    if inputs.spec.quotas.resource_quota_spec is not None:
        optional.append(quota_of(inputs.namespace))
    if inputs.spec.quotas.limit_range_spec is not None:
        optional.append(_limits(inputs))
    policies = (_default_deny(inputs), _ssh(inputs))
    return (_namespace(inputs), _service_account(inputs), *policies, *_bindings(inputs), *optional)


def program(inputs: DevServerUserInputs) -> None:
    """The inline program. Rights come last and go first: no one is in the namespace before its bounds are."""
    provider = make_provider(inputs.cluster_id)
    retain = inputs.spec.deletion_policy == "Retain"
    namespace = Namespace(
        "namespace",
        metadata=retained_metadata(
            inputs.owner,
            _namespace(inputs),
            belongs_to=inputs.spec.username,
            labels={USER_LABEL: inputs.spec.username, **_POD_SECURITY},
        ),
        opts=child_options(provider, retain=retain),
    )
    options = _after(child_options(provider), namespace)
    network = _network(inputs, options, retained=_after(child_options(provider, retain=retain), namespace))
    _rights(inputs, _after(options, *network, *_bounds(inputs, options)))
    pulumi.export("namespace", inputs.namespace)


def _after(options: pulumi.ResourceOptions, *others: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=list(others)))


def _network(
    inputs: DevServerUserInputs, options: pulumi.ResourceOptions, retained: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """No way in but SSH. (A DevServer is one pod, and no policy can come between a pod and itself.)"""
    devservers = LabelSelectorRequirementArgs(key=NAME_LABEL, operator="Exists")
    sshd = NetworkPolicyPortArgs(protocol="TCP", port=SSHD_PORT)
    return [
        NetworkPolicy(
            "default-deny",
            metadata=retained_metadata(inputs.owner, _default_deny(inputs), belongs_to=inputs.spec.username),
            spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress"]),
            opts=retained,
        ),
        NetworkPolicy(
            "ssh",
            metadata=child_metadata(inputs.owner, _ssh(inputs)),
            spec=NetworkPolicySpecArgs(
                pod_selector=LabelSelectorArgs(match_expressions=[devservers]),
                policy_types=["Ingress"],
                ingress=[NetworkPolicyIngressRuleArgs(ports=[sshd])],
            ),
            opts=options,
        ),
    ]


def _bounds(inputs: DevServerUserInputs, options: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    bounds, made = inputs.spec.quotas, list[pulumi.Resource]()
    if bounds.resource_quota_spec is not None:
        spec = ResourceQuotaSpecArgs(hard=dict(bounds.resource_quota_spec.hard))
        metadata = child_metadata(inputs.owner, quota_of(inputs.namespace))
        made.append(ResourceQuota("quota", metadata=metadata, spec=spec, opts=options))
    if bounds.limit_range_spec is not None:
        items = [
            LimitRangeItemArgs(
                type=item.type,
                default=dict(item.default),
                default_request=dict(item.default_request),
                max=dict(item.max),
                min=dict(item.min),
            )
            for item in bounds.limit_range_spec.limits
        ]
        metadata = child_metadata(inputs.owner, _limits(inputs))
        made.append(
            LimitRange("limits", metadata=metadata, spec=LimitRangeSpecArgs(limits=items), opts=options)
        )
    return made


def _rights(inputs: DevServerUserInputs, options: pulumi.ResourceOptions) -> None:
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
