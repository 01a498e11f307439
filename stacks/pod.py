"""The pod of a DevServer: the user's own image with sshd brought along in a volume."""

import json
from hashlib import sha256

from pulumi_kubernetes.core.v1 import (
    ContainerArgs,
    ContainerPortArgs,
    EnvVarArgs,
    LocalObjectReferenceArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SecurityContextArgs,
    TCPSocketActionArgs,
    TolerationArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from crds import DevServerFlavorSpec, DevServerSpec
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, NAME_LABEL, RESTART_DIGEST_ANNOTATION
from stacks.mounts import (
    CONFIG,
    CONFIG_PATH,
    TOOLS,
    TOOLS_PATH,
    claimed_volumes,
    etc_mounts,
    own_volumes,
    scratch_volumes,
)
from stacks.security import security

SSHD_PORT = 2222
_BUSYBOX = f"{TOOLS_PATH}/bin/busybox"
_START = (_BUSYBOX, "sh", f"{CONFIG_PATH}/startup.sh")
# Of the init container that every pod has.
TOOLS_REQUESTS = {"cpu": "10m", "memory": "16Mi"}
TOOLS_LIMITS = {"cpu": "1", "memory": "64Mi"}


def restart_digest(spec: DevServerSpec) -> str:
    """Digest of what the user chose that only a restart brings into the pod.

    It stands in the pod template: a pod with another digest is restarted at once, while a pod that differs
    from the template otherwise (the flavor or the operator changed) waits for its next restart.
    """
    chosen = spec.model_dump(
        mode="json", include={"flavor", "image", "image_pull_secrets", "volumes", "env"}, by_alias=True
    )
    chosen["home"] = spec.home is not None
    return sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:32]


def tools_container(tools_image: str, context: SecurityContextArgs) -> ContainerArgs:
    """Init container that copies sshd, doas and a shell into the volume at /opt/devserver."""
    target = "/target"
    return ContainerArgs(
        name="tools",
        image=tools_image,
        command=[_BUSYBOX, "sh", f"{TOOLS_PATH}/install.sh", target],
        volume_mounts=[VolumeMountArgs(name=TOOLS, mount_path=target)],
        resources=_tools_resources(),
        security_context=context,
    )


def pod_template(
    *,
    name: str,
    spec: DevServerSpec,
    flavor: DevServerFlavorSpec,
    tools_image: str,
    sshd_config_map: str,
    host_keys_secret: str,
    home_claim: str,
) -> PodTemplateSpecArgs:
    """The template. Keys, motd and expiry reach the pod by mounted files, never by the template."""
    rights = security(flavor.security_profile)
    init_containers = [tools_container(tools_image, rights.tools)]
    claimed = claimed_volumes(spec, flavor, home_claim)
    mounted = [
        *own_volumes(config_map=sshd_config_map, host_keys_secret=host_keys_secret, shm_size=flavor.shm_size),
        *claimed,
    ]
    etc = []
    if not rights.has_root:
        init_containers.append(_etc_container(spec, rights.main))
        mounted += scratch_volumes(claimed)
        etc = etc_mounts()

    return PodTemplateSpecArgs(
        metadata=ObjectMetaArgs(
            labels={MANAGED_BY_LABEL: MANAGER, NAME_LABEL: name},
            annotations={RESTART_DIGEST_ANNOTATION: restart_digest(spec)},
        ),
        spec=PodSpecArgs(
            automount_service_account_token=False,
            enable_service_links=False,
            image_pull_secrets=[LocalObjectReferenceArgs(name=ref.name) for ref in spec.image_pull_secrets],
            node_selector=flavor.node_selector,
            runtime_class_name=flavor.runtime_class_name,
            tolerations=[
                TolerationArgs(**toleration.model_dump(exclude_none=True))
                for toleration in flavor.tolerations
            ],
            security_context=rights.pod,
            termination_grace_period_seconds=10,
            init_containers=init_containers,
            containers=[_main_container(spec, flavor, rights.main, [*(mount for _, mount in mounted), *etc])],
            volumes=list({volume.name: volume for volume, _ in mounted}.values()),
        ),
    )


def _main_container(
    spec: DevServerSpec,
    flavor: DevServerFlavorSpec,
    context: SecurityContextArgs,
    mounts: list[VolumeMountArgs],
) -> ContainerArgs:
    return ContainerArgs(
        name="devserver",
        image=spec.image,
        command=list(_START),
        env=_environment(spec),
        ports=[ContainerPortArgs(name="ssh", container_port=SSHD_PORT, protocol="TCP")],
        resources=ResourceRequirementsArgs(
            requests=dict(flavor.resources.requests), limits=dict(flavor.resources.limits)
        ),
        # Every probe is a line in sshd's log, so there are some until it is up and none after: when sshd ends, so
        # does the container. (A rare readiness probe would besides delay the first Ready by up to its period.)
        startup_probe=ProbeArgs(
            tcp_socket=TCPSocketActionArgs(port=SSHD_PORT), period_seconds=1, failure_threshold=120
        ),
        security_context=context,
        volume_mounts=mounts,
    )


def _etc_container(spec: DevServerSpec, context: SecurityContextArgs) -> ContainerArgs:
    """Init container of the user's image, for a pod without root: makes what `etc_mounts` mounts.

    It asks for no more than the one before it, so a pod of the flavor takes the same room with and without it.
    """
    return ContainerArgs(
        name="etc",
        image=spec.image,
        command=[*_START, "etc"],
        env=_environment(spec),
        resources=_tools_resources(),
        security_context=context,
        volume_mounts=[
            VolumeMountArgs(name=TOOLS, mount_path=TOOLS_PATH),
            VolumeMountArgs(name=CONFIG, mount_path=CONFIG_PATH),
        ],
    )


def _environment(spec: DevServerSpec) -> list[EnvVarArgs]:
    # Kubernetes reads $(NAME) as a reference and $$ as $: doubled, a value arrives as it was written.
    return [EnvVarArgs(name=item.name, value=item.value.replace("$", "$$")) for item in spec.env]


def _tools_resources() -> ResourceRequirementsArgs:
    return ResourceRequirementsArgs(requests=dict(TOOLS_REQUESTS), limits=dict(TOOLS_LIMITS))
