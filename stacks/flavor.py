"""The stack of a DevServerFlavor: a DaemonSet that has the flavor's images pulled before anyone waits for them."""

from dataclasses import dataclass
from hashlib import sha256

import pulumi
from pulumi_kubernetes.apps.v1 import DaemonSet, DaemonSetSpecArgs
from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ContainerArgs,
    EmptyDirVolumeSourceArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ResourceRequirementsArgs,
    SecurityContextArgs,
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
from stacks.pod import TOOLS_PATH, tools_container

_PREWARM_LABEL = "devserver.io/prewarm"


@dataclass(frozen=True)
class DevServerFlavorInputs:
    """All that the program depends on. `namespace` is the reconciler's own."""

    owner: Owner
    spec: DevServerFlavorSpec
    namespace: str
    tools_image: str
    cluster_id: str


def _prewarm(inputs: DevServerFlavorInputs) -> Child:
    # A flavor's name may be longer than a label value; the hash keeps cut names apart.
    name = inputs.owner.name
    cut = name if len(name) <= 40 else f"{name[:31].rstrip('-.')}-{sha256(name.encode()).hexdigest()[:8]}"
    return Child("apps/v1", "DaemonSet", inputs.namespace, f"prewarm-{cut}")


def children(inputs: DevServerFlavorInputs) -> tuple[Child, ...]:
    """The objects that the program makes for these inputs."""
    return (_prewarm(inputs),) if inputs.spec.prewarm.images else ()


def program(inputs: DevServerFlavorInputs) -> None:
    """The inline program."""
    provider = make_provider(inputs.cluster_id)
    for child in children(inputs):
        labels = {MANAGED_BY_LABEL: MANAGER, _PREWARM_LABEL: child.name}
        DaemonSet(
            "prewarm",
            metadata=child_metadata(inputs.owner, child),
            spec=DaemonSetSpecArgs(
                selector=LabelSelectorArgs(match_labels={_PREWARM_LABEL: child.name}),
                template=PodTemplateSpecArgs(metadata=ObjectMetaArgs(labels=labels), spec=_pod(inputs)),
            ),
            opts=child_options(provider),
        )
    pulumi.export("prewarmedImages", list(inputs.spec.prewarm.images))


def _pod(inputs: DevServerFlavorInputs) -> PodSpecArgs:
    busybox = f"{TOOLS_PATH}/bin/busybox"
    return PodSpecArgs(
        automount_service_account_token=False,
        enable_service_links=False,
        node_selector=inputs.spec.node_selector,
        tolerations=[
            TolerationArgs(**item.model_dump(exclude_none=True)) for item in inputs.spec.tolerations
        ],
        termination_grace_period_seconds=0,
        # An image may hold no program at all, so each one runs a program that the tools image brought along.
        init_containers=[tools_container(inputs.tools_image)]
        + [
            _idle_container(f"image-{index}", image, [busybox, "true"], TOOLS_PATH)
            for index, image in enumerate(inputs.spec.prewarm.images)
        ],
        containers=[_idle_container("idle", inputs.tools_image, [busybox, "sleep", "2147483647"], None)],
        volumes=[VolumeArgs(name="tools", empty_dir=EmptyDirVolumeSourceArgs())],
    )


def _idle_container(name: str, image: str, command: list[str], tools_path: str | None) -> ContainerArgs:
    return ContainerArgs(
        name=name,
        image=image,
        command=command,
        resources=ResourceRequirementsArgs(
            requests={"cpu": "1m", "memory": "4Mi"}, limits={"cpu": "100m", "memory": "16Mi"}
        ),
        security_context=SecurityContextArgs(
            allow_privilege_escalation=False,
            run_as_user=65534,
            run_as_non_root=True,
            capabilities=CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=[VolumeMountArgs(name="tools", mount_path=tools_path, read_only=True)]
        if tools_path
        else [],
    )
