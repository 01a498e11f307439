"""The stack of a DevServerFlavor. Its objects make the first start of DevServers quick.

A DaemonSet pulls images before anyone waits for them. Placeholder pods hold room until a DevServer needs it.
"""

from dataclasses import dataclass
from hashlib import sha256

from crds import DevServerFlavorSpec
from stacks.declarations import Declaration, Program
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, Child, Manifest, Owner, owned, present
from stacks.security import unprivileged_container, unprivileged_pod
from stacks.tools import (
    BUSYBOX,
    TOOLS,
    TOOLS_PATH,
    tools_container,
    tools_resources,
    tools_volume,
)

_PREWARM_LABEL = "devserver.io/prewarm"
_PLACEHOLDER_LABEL = "devserver.io/placeholder"
# Shipped in deploy/priority.yaml.
PLACEHOLDER_PRIORITY = "devserver-placeholder"
_NOBODY = 65534
_IDLE = [BUSYBOX, "sleep", "2147483647"]


@dataclass(frozen=True)
class DevServerFlavorInputs:
    """All that the program depends on. namespace: the reconciler's own."""

    owner: Owner
    spec: DevServerFlavorSpec
    namespace: str
    tools_image: str
    cluster_id: str


@dataclass(frozen=True)
class DevServerFlavorChildren:
    """The names of a flavor's children."""

    prewarm: Child
    placeholders: Child

    @classmethod
    def of(cls, inputs: DevServerFlavorInputs) -> "DevServerFlavorChildren":
        """The children that the flavor may have."""
        # A flavor's name may be longer than a label value. The hash keeps shortened names distinct.
        name = inputs.owner.name
        cut = name if len(name) <= 40 else f"{name[:31].rstrip('-.')}-{sha256(name.encode()).hexdigest()[:8]}"
        return cls(
            prewarm=Child("apps/v1", "DaemonSet", inputs.namespace, f"prewarm-{cut}"),
            placeholders=Child("apps/v1", "Deployment", inputs.namespace, f"placeholder-{cut}"),
        )


def program(inputs: DevServerFlavorInputs) -> Program:
    """The program of the flavor. It declares nothing if there is nothing to prewarm."""
    names, prewarm = DevServerFlavorChildren.of(inputs), inputs.spec.prewarm
    declarations = []
    if prewarm.images:
        manifest = owned(inputs.owner, names.prewarm, spec=_daemon_set(inputs))
        declarations.append(Declaration("prewarm", manifest))
    if prewarm.replicas:
        manifest = owned(inputs.owner, names.placeholders, spec=_deployment(inputs))
        declarations.append(Declaration("placeholders", manifest))
    return Program(inputs.cluster_id, tuple(declarations), {"prewarmedImages": list(prewarm.images)})


def _daemon_set(inputs: DevServerFlavorInputs) -> Manifest:
    selector = {_PREWARM_LABEL: DevServerFlavorChildren.of(inputs).prewarm.name}
    return {"selector": {"matchLabels": selector}, "template": _template(selector, _prewarm_pod(inputs))}


def _deployment(inputs: DevServerFlavorInputs) -> Manifest:
    selector = {_PLACEHOLDER_LABEL: DevServerFlavorChildren.of(inputs).placeholders.name}
    return {
        "replicas": inputs.spec.prewarm.replicas,
        "selector": {"matchLabels": selector},
        # The new pods need the room that the old ones hold.
        "strategy": {"type": "Recreate"},
        "template": _template(selector, _placeholder_pod(inputs)),
    }


def _template(selector: dict[str, str], pod: Manifest) -> Manifest:
    return {"metadata": {"labels": {MANAGED_BY_LABEL: MANAGER, **selector}}, "spec": pod}


def _prewarm_pod(inputs: DevServerFlavorInputs) -> Manifest:
    small = {"requests": {"cpu": "1m", "memory": "4Mi"}, "limits": {"cpu": "100m", "memory": "16Mi"}}
    return {
        **_pod_of_ours(inputs),
        # An image may contain no program at all. So each container runs a program from the tools image.
        "initContainers": [
            tools_container(inputs.tools_image, unprivileged_container()),
            *(
                _idle_container(f"image-{index}", image, [BUSYBOX, "true"], small, TOOLS_PATH)
                for index, image in enumerate(inputs.spec.prewarm.images)
            ),
        ],
        "containers": [_idle_container("idle", inputs.tools_image, _IDLE, small)],
        "volumes": [tools_volume()],
    }


def _placeholder_pod(inputs: DevServerFlavorInputs) -> Manifest:
    """A pod with exactly the requests of a DevServer's pod, including its init container and runtime class."""
    size, tools = inputs.spec.resources.manifest(), tools_resources()
    return {
        **_pod_of_ours(inputs),
        **present(runtimeClassName=inputs.spec.runtime_class_name),
        "priorityClassName": PLACEHOLDER_PRIORITY,
        "initContainers": [_idle_container("tools", inputs.tools_image, [BUSYBOX, "true"], tools)],
        "containers": [_idle_container("idle", inputs.tools_image, _IDLE, size)],
    }


def _pod_of_ours(inputs: DevServerFlavorInputs) -> Manifest:
    """The common part of both pods. They run on the same nodes as the flavor's DevServers and need no rights."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(inputs.spec.node_selector),
        "tolerations": [toleration.manifest() for toleration in inputs.spec.tolerations],
        "securityContext": unprivileged_pod(_NOBODY),
        # A DevServer that needs the room should not wait for the pod's end.
        "terminationGracePeriodSeconds": 0,
    }


def _idle_container(
    name: str, image: str, command: list[str], resources: Manifest, tools_path: str | None = None
) -> Manifest:
    mounts = [{"name": TOOLS, "mountPath": tools_path, "readOnly": True}] if tools_path else []
    return {
        "name": name,
        "image": image,
        "command": command,
        "resources": resources,
        "securityContext": unprivileged_container(),
        "volumeMounts": mounts,
    }
