"""The pod of a DevServer: the user's own image, with sshd from a volume."""

import json
from collections.abc import Sequence
from hashlib import sha256

from crds import DevServerFlavorSpec, DevServerSpec
from crds.base import Model
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
# Fields of list items that are in the digests of running pods, used or not.
_FIRST_FIELDS = {"name", "value", "claim_name", "mount_path", "read_only"}


def restart_digest(spec: DevServerSpec) -> str:
    """Digest of the user's choices that only a restart applies to the pod.

    The pod template holds it. A pod with another digest is restarted at once. A pod that differs from the template in
    another way (the flavor or the operator changed) waits for its next restart.
    """
    # In the digests of running pods a missing flavor is null.
    chosen = {
        "flavor": spec.flavor,
        "home": spec.home is not None,
        "image": spec.image,
        "imagePullSecrets": _used(spec.image_pull_secrets),
        "volumes": _used(spec.volumes),
        "env": _used(spec.env),
    }
    return sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:32]


def _used(items: Sequence[Model]) -> list[Manifest]:
    """The items as in a manifest, without those of their later fields that are not used: pods outlive new fields."""
    return [
        item.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_unused(item))
        for item in items
    ]


def _unused(item: Model) -> set[str]:
    return {
        name
        for name, field in type(item).model_fields.items()
        if name not in _FIRST_FIELDS and getattr(item, name) == field.get_default(call_default_factory=True)
    }


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
    """The pod template. It holds no keys, motd or expiry, because the pod gets those from mounted files."""
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
        "resources": flavor.resources.manifest(),
        # Every probe writes a line to sshd's log. So there are probes only until sshd answers. Later ones are not
        # needed, because the container ends with sshd. (A rare readiness probe would also delay the first Ready.)
        "startupProbe": {"tcpSocket": {"port": SSHD_PORT}, "periodSeconds": 1, "failureThreshold": 120},
        "securityContext": context,
        "volumeMounts": mounts,
    }


def _etc_container(spec: DevServerSpec, context: Manifest) -> Manifest:
    """Init container with the user's image, for a pod without root. It makes the files that `etc_mounts` mounts.

    It requests the same as the tools container. So it does not change what the whole pod requests.
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
    # Kubernetes reads $(NAME) as a reference and $$ as $. With every $ doubled, the value arrives unchanged.
    return [{"name": item.name, "value": item.value.replace("$", "$$")} for item in spec.env]
