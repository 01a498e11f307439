"""A Pulumi program as a value: the objects for its stack. Digests and tests read it; register() runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stacks.metadata import RETAINED_BY_ANNOTATION, Child, Manifest


@dataclass(frozen=True)
class Declaration:
    """One Kubernetes object of a stack.

    name: its logical name in Pulumi. It must never change, because the engine would see a different object.
    manifest: the object in the API server's form, without empty fields.
    secret_fields: fields that hold secrets, in the manifest or in the API server's answer.
    retain_on_delete: whether the object stays in the cluster when it leaves the stack.
    depends_on: logical names of earlier declarations. They are created before this object and deleted after it.
    """

    name: str
    manifest: Manifest = field(repr=False)
    secret_fields: tuple[str, ...] = ()
    retain_on_delete: bool = False
    depends_on: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """Pulumi's type token, such as `kubernetes:apps/v1:StatefulSet`."""
        group, _, version = self.manifest["apiVersion"].rpartition("/")
        return f"kubernetes:{group or 'core'}/{version}:{self.manifest['kind']}"

    @property
    def metadata(self) -> Manifest:
        """The object's metadata."""
        found: Manifest = self.manifest["metadata"]
        return found

    @property
    def child(self) -> Child:
        """The name of the object."""
        return Child(
            self.manifest["apiVersion"],
            self.manifest["kind"],
            self.metadata.get("namespace", ""),
            self.metadata["name"],
            retained=RETAINED_BY_ANNOTATION in self.metadata["annotations"],
        )


@dataclass(frozen=True)
class Program:
    """The objects that a stack should hold.

    cluster_id: the uid of the namespace kube-system.
    outputs: the stack's outputs, for people who inspect it.
    """

    cluster_id: str
    declarations: tuple[Declaration, ...]
    outputs: Mapping[str, Any]

    @property
    def children(self) -> tuple[Child, ...]:
        """The names of the objects."""
        return tuple(item.child for item in self.declarations)

    @property
    def provider(self) -> dict[str, str]:
        """Arguments of the stack's provider.

        They hold no kubeconfig: tokens rotate, and a changed cluster entry would replace every resource. The provider
        process takes the kubeconfig from its environment.
        """
        return {
            "clusterIdentifier": self.cluster_id,
            "enableServerSideApply": "true",
            "enableConfigMapMutable": "true",
            "enableSecretMutable": "true",
        }
