"""The stack of a DevServerUser: a namespace, a ServiceAccount, and the user's rights and limits in the namespace.

If the user is deleted and the namespace is retained, rights and SSH access go. The policy that denies all other
connections to the pods is retained, too.
"""

from dataclasses import dataclass

from crds import NAMESPACE_PREFIX, DevServerUserSpec
from crds.user import RoleRef
from stacks.declarations import Declaration, Program
from stacks.metadata import NAME_LABEL, USER_LABEL, Child, Owner, owned, retained
from stacks.tools import SSHD_PORT

# What every user may do in their own namespace. It is shipped with the CRDs (deploy/roles.yaml).
USER_CLUSTER_ROLE = "devserver-user"
# Logical name of the namespace.
_NAMESPACE = "namespace"
_RBAC = "rbac.authorization.k8s.io"
_NETWORKING = "networking.k8s.io"
# The level that pods of DevServers pass. A user's namespace is for DevServers only.
_POD_SECURITY = {
    "pod-security.kubernetes.io/enforce": "baseline",
    "pod-security.kubernetes.io/enforce-version": "latest",
}


def namespace_of(username: str) -> str:
    """The namespace of the user with that name."""
    return f"{NAMESPACE_PREFIX}{username}"


@dataclass(frozen=True)
class DevServerUserInputs:
    """All that the program depends on.

    spec: without the roles that the operator does not allow. refused_roles: names those.
    """

    owner: Owner
    spec: DevServerUserSpec
    refused_roles: tuple[str, ...]
    cluster_id: str

    @property
    def namespace(self) -> str:
        """The user's namespace."""
        return namespace_of(self.spec.username)


def namespace_child_of(username: str) -> Child:
    """The namespace of the user with that username, as a child."""
    return Child("v1", "Namespace", "", namespace_of(username), retained=True)


def quota_of(namespace: str) -> Child:
    """The name of the quota in a user's namespace."""
    return Child("v1", "ResourceQuota", namespace, "devserver-quota")


def program(inputs: DevServerUserInputs) -> Program:
    """The program of the user.

    Rights are created last and deleted first. So nobody has rights in the namespace while its limits are missing.
    """
    namespace = _namespace(inputs)
    bounds = [*_network(inputs), *_quotas(inputs)]
    before = (namespace.name, *(item.name for item in bounds))
    declarations = (namespace, *bounds, *_rights(inputs, before))
    return Program(inputs.cluster_id, declarations, {"namespace": inputs.namespace})


def _namespace(inputs: DevServerUserInputs) -> Declaration:
    return Declaration(
        _NAMESPACE,
        retained(
            inputs.owner,
            namespace_child_of(inputs.spec.username),
            belongs_to=inputs.spec.username,
            labels={USER_LABEL: inputs.spec.username, **_POD_SECURITY},
        ),
        retain_on_delete=_retains_namespace(inputs),
    )


def _retains_namespace(inputs: DevServerUserInputs) -> bool:
    return inputs.spec.deletion_policy == "Retain"


def _network(inputs: DevServerUserInputs) -> list[Declaration]:
    """Policies that deny all connections to pods except SSH. (No policy can block traffic within one pod.)"""
    api_version, kind = f"{_NETWORKING}/v1", "NetworkPolicy"
    closed = Child(api_version, kind, inputs.namespace, "devserver-default-deny", retained=True)
    open_for_ssh = Child(api_version, kind, inputs.namespace, "devserver-ssh")
    return [
        Declaration(
            "default-deny",
            retained(
                inputs.owner,
                closed,
                belongs_to=inputs.spec.username,
                spec={"podSelector": {}, "policyTypes": ["Ingress"]},
            ),
            retain_on_delete=_retains_namespace(inputs),
            depends_on=(_NAMESPACE,),
        ),
        Declaration(
            "ssh",
            owned(
                inputs.owner,
                open_for_ssh,
                spec={
                    "podSelector": {"matchExpressions": [{"key": NAME_LABEL, "operator": "Exists"}]},
                    "policyTypes": ["Ingress"],
                    "ingress": [{"ports": [{"protocol": "TCP", "port": SSHD_PORT}]}],
                },
            ),
            depends_on=(_NAMESPACE,),
        ),
    ]


def _quotas(inputs: DevServerUserInputs) -> list[Declaration]:
    quota, limit_range = inputs.spec.quotas.resource_quota_spec, inputs.spec.quotas.limit_range_spec
    made = []
    if quota is not None:
        manifest = owned(inputs.owner, quota_of(inputs.namespace), spec=quota.manifest())
        made.append(Declaration("quota", manifest, depends_on=(_NAMESPACE,)))
    if limit_range is not None:
        child = Child("v1", "LimitRange", inputs.namespace, "devserver-limits")
        manifest = owned(inputs.owner, child, spec=limit_range.manifest())
        made.append(Declaration("limits", manifest, depends_on=(_NAMESPACE,)))
    return made


def _rights(inputs: DevServerUserInputs, after: tuple[str, ...]) -> list[Declaration]:
    account = Child("v1", "ServiceAccount", inputs.namespace, inputs.spec.username)
    subjects = [
        {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace},
        {"kind": "User", "name": inputs.spec.username, "apiGroup": _RBAC},
    ]
    return [
        Declaration("service-account", owned(inputs.owner, account), depends_on=after),
        *(
            Declaration(
                f"binding-{child.name}",
                owned(
                    inputs.owner,
                    child,
                    roleRef={"apiGroup": _RBAC, "kind": ref.kind, "name": ref.name},
                    subjects=subjects,
                ),
                depends_on=after,
            )
            for child, ref in _bindings(inputs).items()
        ),
    ]


def _bindings(inputs: DevServerUserInputs) -> dict[Child, RoleRef]:
    """Every role that the user gets, by its RoleBinding."""
    refs = [RoleRef(kind="ClusterRole", name=USER_CLUSTER_ROLE), *inputs.spec.rbac.additional_role_refs]
    return {
        Child(f"{_RBAC}/v1", "RoleBinding", inputs.namespace, f"{ref.kind.lower()}.{ref.name}"): ref
        for ref in refs
    }
