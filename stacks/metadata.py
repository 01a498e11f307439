"""What the children of every stack have in common: identity, labels, annotations, the provider.

Names are explicit and stable, so that after a crash the next run adopts what was made and not recorded.
"""

from dataclasses import dataclass
from hashlib import sha256

import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs, OwnerReferenceArgs

from crds import API_VERSION, GROUP

# The field manager of every write, the value of the managed-by label and the name of the identity that the
# reconciler runs under. The admission policy in deploy/ knows the label too.
MANAGER = "devserver-reconciler"
# The pulumi-kubernetes SDK and the provider binary are of this version.
PROVIDER_VERSION = "4.27.0"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
UID_LABEL = f"{GROUP}/uid"
NAME_LABEL = f"{GROUP}/name"
USER_LABEL = f"{GROUP}/user"
OWNER_HASH_LABEL = f"{GROUP}/owner-hash"
RETAINED_BY_ANNOTATION = f"{GROUP}/retained-by"
RESTART_DIGEST_ANNOTATION = f"{GROUP}/restart-digest"

_ANNOTATIONS = {
    # Readiness is watched by the reconciler; a run must not wait minutes for it.
    "pulumi.com/skipAwait": "true",
    "pulumi.com/deletionPropagationPolicy": "background",
    # A fixed field manager that takes its own fields back from whoever changed them.
    "pulumi.com/patchFieldManager": MANAGER,
    "pulumi.com/patchForce": "true",
}


@dataclass(frozen=True)
class Owner:
    """The custom resource that a stack belongs to. `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def retained_by(self) -> str:
        """Value of the annotation on what outlives the resource: `kind.namespace.name`."""
        return f"{self.kind.lower()}.{self.namespace}.{self.name}"


@dataclass(frozen=True)
class Child:
    """One Kubernetes object that a stack manages. `namespace` is empty for cluster-scoped kinds.

    `retained` children may outlive the stack: they carry no uid and no ownerReference.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    retained: bool = False


def owner_hash(owner_name: str) -> str:
    """A label value that stands for an owner's name, which itself may hold characters no label can."""
    return sha256(owner_name.encode()).hexdigest()[:32]


def child_metadata(owner: Owner, child: Child, labels: dict[str, str] | None = None) -> ObjectMetaArgs:
    """Metadata of a child that ends with its owner.

    The reference does not block the owner's deletion: our finalizer does. And it would have the API server look up the
    owner's kind for each child, which it cannot do in its first half minute.
    """
    return ObjectMetaArgs(
        name=child.name,
        namespace=child.namespace or None,
        labels={
            MANAGED_BY_LABEL: MANAGER,
            UID_LABEL: owner.uid,
            NAME_LABEL: owner.name,
            **(labels or {}),
        },
        annotations=dict(_ANNOTATIONS),
        owner_references=[
            OwnerReferenceArgs(
                api_version=API_VERSION,
                kind=owner.kind,
                name=owner.name,
                uid=owner.uid,
                controller=True,
            )
        ],
    )


def retained_metadata(
    owner: Owner, child: Child, belongs_to: str, labels: dict[str, str] | None = None
) -> ObjectMetaArgs:
    """Metadata of a child that may outlive its owner and is taken up again only by the same one.

    `belongs_to` names the person whose data it holds.
    """
    return ObjectMetaArgs(
        name=child.name,
        namespace=child.namespace or None,
        labels={
            MANAGED_BY_LABEL: MANAGER,
            OWNER_HASH_LABEL: owner_hash(belongs_to),
            **(labels or {}),
        },
        annotations={**_ANNOTATIONS, RETAINED_BY_ANNOTATION: owner.retained_by},
    )


def child_options(provider: Provider, retain: bool = False) -> pulumi.ResourceOptions:
    """Options of a child; `retain` keeps the object in the cluster when it leaves the stack."""
    return pulumi.ResourceOptions(provider=provider, retain_on_delete=retain)


def make_provider(cluster_id: str) -> Provider:
    """The provider of a stack.

    It holds no kubeconfig (tokens rotate, and a changed cluster entry would replace every resource): the
    provider process takes the ambient one. `cluster_id` is the uid of the namespace kube-system.
    """
    return Provider(
        "kubernetes",
        cluster_identifier=cluster_id,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=pulumi.ResourceOptions(version=PROVIDER_VERSION, transformations=[_without_kubeconfig]),
    )


def _without_kubeconfig(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """The SDK fills in $KUBECONFIG of the program's process. The provider's own may name another way to the cluster."""
    props = {name: value for name, value in args.props.items() if name != "kubeconfig"}
    return pulumi.ResourceTransformationResult(props, args.opts)
