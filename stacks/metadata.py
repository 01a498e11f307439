"""What the children of every stack have in common: identity, labels, annotations.

Names are explicit and stable, so that after a crash the next run adopts what was made and not recorded.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from crds import API_VERSION, GROUP

# The field manager of every write, the value of the managed-by label and the name of the identity that the
# reconciler runs under. The admission policy in deploy/ knows the label too.
MANAGER = "devserver-reconciler"
# Of the provider that puts the objects into the cluster.
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


# Labels and annotations that say whose a child is and how it is treated. They count in no digest: what a version adds
# to every child comes with the next run that something else brings.
ON_EVERY_CHILD = frozenset({MANAGED_BY_LABEL, UID_LABEL, NAME_LABEL, OWNER_HASH_LABEL, *_ANNOTATIONS})

# An object, or a part of one, as a manifest has it.
Manifest = dict[str, Any]


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


def present(**fields: Any) -> Manifest:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def owned(owner: Owner, child: Child, **fields: Any) -> Manifest:
    """A child that ends with its owner; fields: its spec, data or the like.

    The reference does not block the owner's deletion: our finalizer does. And it would have the API server look up the
    owner's kind for each child, which it cannot do in its first half minute.
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
    """A child that may outlive its owner and is taken up again only by the same one.

    `belongs_to` names the person whose data it holds.
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
