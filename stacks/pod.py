"""The pod of a DevServer: the user's own image with sshd brought along in a volume."""

import json
from hashlib import sha256

from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    ContainerPortArgs,
    EmptyDirVolumeSourceArgs,
    EnvVarArgs,
    LocalObjectReferenceArgs,
    PersistentVolumeClaimVolumeSourceArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecretVolumeSourceArgs,
    SecurityContextArgs,
    TCPSocketActionArgs,
    TolerationArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from crds import DevServerFlavorSpec, DevServerSpec
from crds.base import VolumeMount
from crds.devserver import HOME_PATH
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, NAME_LABEL, RESTART_DIGEST_ANNOTATION

SSHD_PORT = 2222
TOOLS_PATH = "/opt/devserver"
CONFIG_PATH = "/etc/devserver"
HOST_KEYS_PATH = "/etc/devserver-hostkeys"
_BUSYBOX = f"{TOOLS_PATH}/bin/busybox"
# Of the init container that every pod has.
TOOLS_REQUESTS = {"cpu": "10m", "memory": "16Mi"}
TOOLS_LIMITS = {"cpu": "1", "memory": "64Mi"}

# The least that a root-started sshd and doas need; each one is a right that an image may rely on.
CAPABILITIES = (
    "AUDIT_WRITE",  # sshd records logins
    "CHOWN",  # the start script gives the home to dev, package managers set owners
    "DAC_OVERRIDE",  # root reads and writes files of dev, package managers those of others
    "FOWNER",  # package managers set modes and times of files of others
    "FSETID",  # package managers install setgid programs
    "KILL",  # sshd and doas end processes of dev
    "SETGID",  # sshd becomes dev
    "SETUID",  # sshd becomes dev, doas becomes root
    "SYS_CHROOT",  # sshd's privilege separation
)


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


def tools_container(tools_image: str) -> ContainerArgs:
    """Init container that copies sshd, doas and a shell into the volume at /opt/devserver."""
    target = "/target"
    return ContainerArgs(
        name="tools",
        image=tools_image,
        command=[_BUSYBOX, "sh", f"{TOOLS_PATH}/install.sh", target],
        volume_mounts=[VolumeMountArgs(name="tools", mount_path=target)],
        resources=ResourceRequirementsArgs(requests=TOOLS_REQUESTS, limits=TOOLS_LIMITS),
        # It copies a setuid program and keeps its owner and mode.
        security_context=SecurityContextArgs(
            run_as_user=0,
            capabilities=CapabilitiesArgs(drop=["ALL"], add=["CHOWN", "DAC_OVERRIDE", "FOWNER"]),
        ),
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
    own = [
        ("tools", TOOLS_PATH, VolumeArgs(name="tools", empty_dir=EmptyDirVolumeSourceArgs())),
        (
            "sshd",
            CONFIG_PATH,
            VolumeArgs(name="sshd", config_map=ConfigMapVolumeSourceArgs(name=sshd_config_map)),
        ),
        (
            "host-keys",
            HOST_KEYS_PATH,
            VolumeArgs(
                name="host-keys",
                secret=SecretVolumeSourceArgs(secret_name=host_keys_secret, default_mode=0o400),
            ),
        ),
    ]
    if flavor.shm_size is not None:
        memory = EmptyDirVolumeSourceArgs(medium="Memory", size_limit=flavor.shm_size)
        own.append(("shm", "/dev/shm", VolumeArgs(name="shm", empty_dir=memory)))
    if spec.home is not None:
        own.append(("home", HOME_PATH, _claim_volume("home", home_claim, read_only=False)))
    mounts = [VolumeMountArgs(name=volume, mount_path=path) for volume, path, _ in own]
    volumes = [volume for _, _, volume in own]
    # A home wins over what the flavor mounts there.
    others = [mount for mount in flavor.volumes if mount.mount_path not in {path for _, path, _ in own}]
    by_claim: dict[str, list[VolumeMount]] = {}
    for mount in merged_volumes(others, spec.volumes):
        by_claim.setdefault(mount.claim_name, []).append(mount)
    # One volume for each claim, however often it is mounted: with two of one claim, the kubelet never starts the pod.
    for index, (claim, uses) in enumerate(by_claim.items()):
        volume = f"volume-{index}"
        volumes.append(_claim_volume(volume, claim, all(mount.read_only for mount in uses)))
        mounts += [
            VolumeMountArgs(name=volume, mount_path=mount.mount_path, read_only=mount.read_only)
            for mount in uses
        ]

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
            security_context=PodSecurityContextArgs(
                seccomp_profile=SeccompProfileArgs(type="RuntimeDefault")
            ),
            termination_grace_period_seconds=10,
            init_containers=[tools_container(tools_image)],
            containers=[_main_container(spec, flavor, mounts)],
            volumes=volumes,
        ),
    )


def _main_container(
    spec: DevServerSpec, flavor: DevServerFlavorSpec, mounts: list[VolumeMountArgs]
) -> ContainerArgs:
    return ContainerArgs(
        name="devserver",
        image=spec.image,
        command=[_BUSYBOX, "sh", f"{CONFIG_PATH}/startup.sh"],
        # Kubernetes reads $(NAME) as a reference and $$ as $: doubled, a value arrives as it was written.
        env=[EnvVarArgs(name=item.name, value=item.value.replace("$", "$$")) for item in spec.env],
        ports=[ContainerPortArgs(name="ssh", container_port=SSHD_PORT, protocol="TCP")],
        resources=ResourceRequirementsArgs(
            requests=dict(flavor.resources.requests), limits=dict(flavor.resources.limits)
        ),
        # Every probe is a line in sshd's log, so there are some until it is up and none after: when sshd ends, so
        # does the container. (A rare readiness probe would besides delay the first Ready by up to its period.)
        startup_probe=ProbeArgs(
            tcp_socket=TCPSocketActionArgs(port=SSHD_PORT), period_seconds=1, failure_threshold=120
        ),
        security_context=SecurityContextArgs(
            run_as_user=0, capabilities=CapabilitiesArgs(drop=["ALL"], add=list(CAPABILITIES))
        ),
        volume_mounts=mounts,
    )


def merged_volumes(flavor: list[VolumeMount], devserver: list[VolumeMount]) -> tuple[VolumeMount, ...]:
    """The flavor's volumes and the DevServer's, whose own win where both name one path."""
    by_path = {mount.mount_path: mount for mount in (*flavor, *devserver)}
    return tuple(by_path.values())


def _claim_volume(name: str, claim: str, read_only: bool) -> VolumeArgs:
    source = PersistentVolumeClaimVolumeSourceArgs(claim_name=claim, read_only=read_only)
    return VolumeArgs(name=name, persistent_volume_claim=source)
