"""The pod of a DevServer: the user's own image with sshd brought along in a volume."""

import json
from hashlib import sha256

from crds import DevServerFlavorSpec, DevServerSpec
from stacks.devserver.mounts import (
    CONFIG,
    CONFIG_PATH,
    claimed_volumes,
    etc_mounts,
    own_volumes,
    scratch_volumes,
)
from stacks.metadata import (
    MANAGED_BY_LABEL,
    MANAGER,
    NAME_LABEL,
    RESTART_DIGEST_ANNOTATION,
    Manifest,
    present,
)
from stacks.security import security
from stacks.tools import BUSYBOX, SSHD_PORT, TOOLS, TOOLS_PATH, tools_container, tools_resources

_START = (BUSYBOX, "sh", f"{CONFIG_PATH}/startup.sh")
# What of a spec comes into the pod by a restart alone. (Whether there is a home does, too.)
_CHOSEN = {"flavor", "image", "image_pull_secrets", "volumes", "env"}


def restart_digest(spec: DevServerSpec) -> str:
    """Digest of what the user chose that only a restart brings into the pod.

    It stands in the pod template: a pod with another digest is restarted at once, while a pod that differs
    from the template otherwise (the flavor or the operator changed) waits for its next restart.
    """
    chosen = spec.model_dump(mode="json", include=_CHOSEN, by_alias=True, exclude_none=True)
    # Pods that run carry digests in which a flavor that is not named is null; any other field is left out then.
    named = {"flavor": spec.flavor, "home": spec.home is not None}
    return sha256(json.dumps(chosen | named, sort_keys=True).encode()).hexdigest()[:32]


def pod_template(
    *,
    name: str,
    spec: DevServerSpec,
    flavor: DevServerFlavorSpec,
    tools_image: str,
    sshd_config_map: str,
    host_keys_secret: str,
    home_claim: str,
) -> Manifest:
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

    return {
        "metadata": {
            "labels": {MANAGED_BY_LABEL: MANAGER, NAME_LABEL: name},
            "annotations": {RESTART_DIGEST_ANNOTATION: restart_digest(spec)},
        },
        "spec": present(
            automountServiceAccountToken=False,
            enableServiceLinks=False,
            imagePullSecrets=[{"name": ref.name} for ref in spec.image_pull_secrets],
            nodeSelector=dict(flavor.node_selector),
            runtimeClassName=flavor.runtime_class_name,
            tolerations=[toleration.manifest() for toleration in flavor.tolerations],
            securityContext=rights.pod,
            terminationGracePeriodSeconds=10,
            initContainers=init_containers,
            containers=[_main_container(spec, flavor, rights.main, [*(mount for _, mount in mounted), *etc])],
            volumes=list({volume["name"]: volume for volume, _ in mounted}.values()),
        ),
    }


def _main_container(
    spec: DevServerSpec, flavor: DevServerFlavorSpec, context: Manifest, mounts: list[Manifest]
) -> Manifest:
    return {
        "name": "devserver",
        "image": spec.image,
        "command": list(_START),
        "env": _environment(spec),
        "ports": [{"name": "ssh", "containerPort": SSHD_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": dict(flavor.resources.requests),
            "limits": dict(flavor.resources.limits),
        },
        # Every probe is a line in sshd's log, so there are some until it is up and none after: when sshd ends, so
        # does the container. (A rare readiness probe would besides delay the first Ready by up to its period.)
        "startupProbe": {"tcpSocket": {"port": SSHD_PORT}, "periodSeconds": 1, "failureThreshold": 120},
        "securityContext": context,
        "volumeMounts": mounts,
    }


def _etc_container(spec: DevServerSpec, context: Manifest) -> Manifest:
    """Init container of the user's image, for a pod without root: makes what `etc_mounts` mounts.

    It asks for no more than the one before it, so a pod of the flavor takes the same room with and without it.
    """
    return {
        "name": "etc",
        "image": spec.image,
        "command": [*_START, "etc"],
        "env": _environment(spec),
        "resources": tools_resources(),
        "securityContext": context,
        "volumeMounts": [
            {"name": TOOLS, "mountPath": TOOLS_PATH},
            {"name": CONFIG, "mountPath": CONFIG_PATH},
        ],
    }


def _environment(spec: DevServerSpec) -> list[Manifest]:
    # Kubernetes reads $(NAME) as a reference and $$ as $: doubled, a value arrives as it was written.
    return [{"name": item.name, "value": item.value.replace("$", "$$")} for item in spec.env]
