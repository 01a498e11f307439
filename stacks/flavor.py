"""The stack of a DevServerFlavor: what keeps the first start quick.

A DaemonSet has images pulled before anyone waits for them; placeholder pods hold room until a DevServer needs it.
"""

from dataclasses import dataclass
from hashlib import sha256

import pulumi
from pulumi_kubernetes.apps.v1 import (
    DaemonSet,
    DaemonSetSpecArgs,
    Deployment,
    DeploymentSpecArgs,
    DeploymentStrategyArgs,
)
from pulumi_kubernetes.core.v1 import (
    ContainerArgs,
    EmptyDirVolumeSourceArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ResourceRequirementsArgs,
    TolerationArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from crds import DevServerFlavorSpec
from stacks.metadata import (
    MANAGED_BY_LABEL,
    MANAGER,
    Child,
    Owner,
    child_metadata,
    child_options,
    make_provider,
)
from stacks.mounts import TOOLS, TOOLS_PATH
from stacks.pod import TOOLS_LIMITS, TOOLS_REQUESTS, tools_container
from stacks.security import unprivileged_container, unprivileged_pod

_PREWARM_LABEL = "devserver.io/prewarm"
_PLACEHOLDER_LABEL = "devserver.io/placeholder"
# Shipped in deploy/priority.yaml.
PLACEHOLDER_PRIORITY = "devserver-placeholder"
_BUSYBOX = f"{TOOLS_PATH}/bin/busybox"
_NOBODY = 65534
_IDLE = [_BUSYBOX, "sleep", "2147483647"]


@dataclass(frozen=True)
class DevServerFlavorInputs:
    """All that the program depends on. `namespace` is the reconciler's own."""

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
        # A flavor's name may be longer than a label value; the hash keeps cut names apart.
        name = inputs.owner.name
        cut = name if len(name) <= 40 else f"{name[:31].rstrip('-.')}-{sha256(name.encode()).hexdigest()[:8]}"
        return cls(
            prewarm=Child("apps/v1", "DaemonSet", inputs.namespace, f"prewarm-{cut}"),
            placeholders=Child("apps/v1", "Deployment", inputs.namespace, f"placeholder-{cut}"),
        )


def children(inputs: DevServerFlavorInputs) -> tuple[Child, ...]:
    """The objects that the program makes for these inputs."""
    names, prewarm = DevServerFlavorChildren.of(inputs), inputs.spec.prewarm
    return ((names.prewarm,) if prewarm.images else ()) + ((names.placeholders,) if prewarm.replicas else ())


def program(inputs: DevServerFlavorInputs) -> None:
    """The inline program."""
    options = child_options(make_provider(inputs.cluster_id))
    names, made = DevServerFlavorChildren.of(inputs), children(inputs)
    if names.prewarm in made:
        selector = {_PREWARM_LABEL: names.prewarm.name}
        DaemonSet(
            "prewarm",
            metadata=child_metadata(inputs.owner, names.prewarm),
            spec=DaemonSetSpecArgs(
                selector=LabelSelectorArgs(match_labels=selector),
                template=_template(selector, _prewarm_pod(inputs)),
            ),
            opts=options,
        )
    if names.placeholders in made:
        selector = {_PLACEHOLDER_LABEL: names.placeholders.name}
        Deployment(
            "placeholders",
            metadata=child_metadata(inputs.owner, names.placeholders),
            spec=DeploymentSpecArgs(
                replicas=inputs.spec.prewarm.replicas,
                selector=LabelSelectorArgs(match_labels=selector),
                # The new ones need the room that the old ones hold.
                strategy=DeploymentStrategyArgs(type="Recreate"),
                template=_template(selector, _placeholder_pod(inputs)),
            ),
            opts=options,
        )
    pulumi.export("prewarmedImages", list(inputs.spec.prewarm.images))


def _template(selector: dict[str, str], pod: PodSpecArgs) -> PodTemplateSpecArgs:
    labels = {MANAGED_BY_LABEL: MANAGER, **selector}
    return PodTemplateSpecArgs(metadata=ObjectMetaArgs(labels=labels), spec=pod)


def _prewarm_pod(inputs: DevServerFlavorInputs) -> PodSpecArgs:
    small = ResourceRequirementsArgs(
        requests={"cpu": "1m", "memory": "4Mi"}, limits={"cpu": "100m", "memory": "16Mi"}
    )
    return PodSpecArgs(
        automount_service_account_token=False,
        enable_service_links=False,
        node_selector=inputs.spec.node_selector,
        tolerations=_tolerations(inputs),
        security_context=unprivileged_pod(_NOBODY),
        termination_grace_period_seconds=0,
        # An image may hold no program at all, so each one runs a program that the tools image brought along.
        init_containers=[tools_container(inputs.tools_image, unprivileged_container())]
        + [
            _idle_container(f"image-{index}", image, [_BUSYBOX, "true"], small, TOOLS_PATH)
            for index, image in enumerate(inputs.spec.prewarm.images)
        ],
        containers=[_idle_container("idle", inputs.tools_image, _IDLE, small)],
        volumes=[VolumeArgs(name=TOOLS, empty_dir=EmptyDirVolumeSourceArgs())],
    )


def _placeholder_pod(inputs: DevServerFlavorInputs) -> PodSpecArgs:
    """A pod that asks for just what a DevServer's pod does, init container and runtime class included."""
    spec = inputs.spec
    tools = ResourceRequirementsArgs(requests=TOOLS_REQUESTS, limits=TOOLS_LIMITS)
    size = ResourceRequirementsArgs(
        requests=dict(spec.resources.requests), limits=dict(spec.resources.limits)
    )
    return PodSpecArgs(
        automount_service_account_token=False,
        enable_service_links=False,
        node_selector=spec.node_selector,
        runtime_class_name=spec.runtime_class_name,
        tolerations=_tolerations(inputs),
        priority_class_name=PLACEHOLDER_PRIORITY,
        security_context=unprivileged_pod(_NOBODY),
        # Whoever needs the room waits for no end of it.
        termination_grace_period_seconds=0,
        init_containers=[_idle_container("tools", inputs.tools_image, [_BUSYBOX, "true"], tools)],
        containers=[_idle_container("idle", inputs.tools_image, _IDLE, size)],
    )


def _tolerations(inputs: DevServerFlavorInputs) -> list[TolerationArgs]:
    return [TolerationArgs(**item.model_dump(exclude_none=True)) for item in inputs.spec.tolerations]


def _idle_container(
    name: str,
    image: str,
    command: list[str],
    resources: ResourceRequirementsArgs,
    tools_path: str | None = None,
) -> ContainerArgs:
    return ContainerArgs(
        name=name,
        image=image,
        command=command,
        resources=resources,
        security_context=unprivileged_container(),
        volume_mounts=[VolumeMountArgs(name=TOOLS, mount_path=tools_path, read_only=True)]
        if tools_path
        else [],
    )
