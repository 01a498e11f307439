"""The common metadata of the children of all stacks: identity, labels, annotations.

Names are explicit and stable. So after a crash the next run adopts objects that were created but not recorded.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from crds import API_VERSION, GROUP

# The field manager of every write, the value of the managed-by label, and the name of the reconciler's ServiceAccount.
# The admission policy in deploy/ uses the label, too.
MANAGER = "devserver-reconciler"
# Version of the Pulumi provider that writes the objects to the cluster.
PROVIDER_VERSION = "4.27.0"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
UID_LABEL = f"{GROUP}/uid"
NAME_LABEL = f"{GROUP}/name"
USER_LABEL = f"{GROUP}/user"
OWNER_HASH_LABEL = f"{GROUP}/owner-hash"
RETAINED_BY_ANNOTATION = f"{GROUP}/retained-by"
RESTART_DIGEST_ANNOTATION = f"{GROUP}/restart-digest"

_ANNOTATIONS = {
    # The reconciler watches readiness; a run must not wait minutes for it.
    "pulumi.com/skipAwait": "true",
    "pulumi.com/deletionPropagationPolicy": "background",
    # A fixed field manager that takes back its own fields if someone changed them.
    "pulumi.com/patchFieldManager": MANAGER,
    "pulumi.com/patchForce": "true",
}


# Labels and annotations for the owner and the treatment of a child. No digest counts them. So if a version adds one to
# every child, that alone causes no run; the next run adds it.
ON_EVERY_CHILD = frozenset({MANAGED_BY_LABEL, UID_LABEL, NAME_LABEL, OWNER_HASH_LABEL, *_ANNOTATIONS})

# An object, or a part of one, in the form of a manifest.
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """The custom resource that a stack belongs to. namespace: empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def retained_by(self) -> str:
        """Value of the annotation on children that outlive the resource: `kind.namespace.name`."""
        return f"{self.kind.lower()}.{self.namespace}.{self.name}"


@dataclass(frozen=True)
class Child:
    """The name of a Kubernetes object that a stack manages. namespace: empty for cluster-scoped kinds.

    retained: the child may outlive the stack; it carries no uid and no ownerReference.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    retained: bool = False


def owner_hash(owner_name: str) -> str:
    """A label value for an owner's name. The name itself may contain characters that labels cannot."""
    return sha256(owner_name.encode()).hexdigest()[:32]


def present(**fields: Any) -> Manifest:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def owned(owner: Owner, child: Child, **fields: Any) -> Manifest:
    """The manifest of a child that ends with its owner. fields: its spec, data and so on.

    The ownerReference sets no blockOwnerDeletion, because our finalizer blocks the deletion. With it, the API server
    would look up the owner's kind for each child, which fails in its first half minute.
    """
    reference = {
        "apiVersion": API_VERSION,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
    }
    labels = {MANAGED_BY_LABEL: MANAGER, UID_LABEL: owner.uid, NAME_LABEL: owner.name}
    return _manifest(
        child, fields, labels=labels, annotations=dict(_ANNOTATIONS), ownerReferences=[reference]
    )


def retained(
    owner: Owner, child: Child, belongs_to: str, labels: dict[str, str] | None = None, **fields: Any
) -> Manifest:
    """The manifest of a child that may outlive its owner. Only an owner of the same name gets it back.

    belongs_to: the name of the person whose data it holds.
    """
    return _manifest(
        child,
        fields,
        labels={
            MANAGED_BY_LABEL: MANAGER,
            OWNER_HASH_LABEL: owner_hash(belongs_to),
            **(labels or {}),
        },
        annotations={**_ANNOTATIONS, RETAINED_BY_ANNOTATION: owner.retained_by},
    )


def _manifest(child: Child, fields: Manifest, **metadata: Any) -> Manifest:
    return {
        "apiVersion": child.api_version,
        "kind": child.kind,
        "metadata": present(name=child.name, namespace=child.namespace or None, **metadata),
        **fields,
    }
