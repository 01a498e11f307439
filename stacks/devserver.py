"""The stack of a DevServer: StatefulSet, two Services, host keys, sshd's files and, when asked for, a home."""

from base64 import b64encode
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal

import pulumi
from pulumi_kubernetes.apps.v1 import StatefulSet, StatefulSetSpecArgs, StatefulSetUpdateStrategyArgs
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgs,
    Secret,
    Service,
    ServicePortArgs,
    ServiceSpecArgs,
    VolumeResourceRequirementsArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs

from crds import DevServerFlavorSpec, DevServerSpec
from stacks.messages import message_of_the_day, warnings
from stacks.metadata import (
    NAME_LABEL,
    Child,
    Owner,
    child_metadata,
    child_options,
    make_provider,
    retained_metadata,
)
from stacks.pod import SSHD_PORT, pod_template

SSH_PORT = 22


@dataclass(frozen=True)
class HostKeys:
    """The SSH host keys.

    public: lines as in known_hosts, without the host: `TYPE BASE64`.
    private: content of the Secret by file name; None if the user brought a Secret of their own, which the
        stack mounts and never owns or changes.
    """

    public: tuple[str, ...]
    private: dict[str, str] | None = field(repr=False)


@dataclass(frozen=True)
class DevServerInputs:
    """All that the program depends on, save for the host keys, which are no reason for a run.

    authorized_keys: checked lines, `TYPE BASE64`.
    time_to_live: the one that holds, the operator's default included; None if there is none.
    expires_at: RFC 3339 time for the messages, None if the DevServer does not expire.
    warn_minutes: how long before its end it warns, in falling order; those that there is time for.
    home_size: the size to ask for, at least that of the live claim; None without a home.
    """

    owner: Owner
    spec: DevServerSpec
    flavor_name: str
    flavor: DevServerFlavorSpec
    authorized_keys: tuple[str, ...]
    time_to_live: str | None
    expires_at: str | None
    warn_minutes: tuple[int, ...]
    home_size: str | None
    tools_image: str
    ssh_service_type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    cluster_id: str


@dataclass(frozen=True)
class DevServerChildren:
    """The names of a DevServer's children."""

    stateful_set: Child
    headless: Child
    ssh: Child
    host_keys: Child
    sshd: Child
    home: Child

    @classmethod
    def of(cls, owner: Owner) -> "DevServerChildren":
        """The children that the DevServer may have."""
        namespace, name = owner.namespace, owner.name
        return cls(
            stateful_set=Child("apps/v1", "StatefulSet", namespace, name),
            headless=Child("v1", "Service", namespace, name),
            ssh=Child("v1", "Service", namespace, f"{name}-ssh"),
            host_keys=Child("v1", "Secret", namespace, f"{name}-hostkeys"),
            sshd=Child("v1", "ConfigMap", namespace, f"{name}-sshd"),
            home=Child("v1", "PersistentVolumeClaim", namespace, f"{name}-home", retained=True),
        )


def children(inputs: DevServerInputs, host_keys: HostKeys) -> tuple[Child, ...]:
    """The objects that the program makes for these inputs."""
    names = DevServerChildren.of(inputs.owner)
    optional = []
    if host_keys.private is not None:
        optional.append(names.host_keys)
    if inputs.spec.home is not None:
        optional.append(names.home)
    return (names.stateful_set, names.headless, names.ssh, names.sshd, *optional)


def program(inputs: DevServerInputs, host_keys: HostKeys) -> None:
    """The inline program: declares the children and exports what a debugging person wants to see."""
    provider = make_provider(inputs.cluster_id)
    names = DevServerChildren.of(inputs.owner)
    options = child_options(provider)
    selector = {NAME_LABEL: inputs.owner.name}

    ConfigMap(
        "sshd", metadata=child_metadata(inputs.owner, names.sshd), data=sshd_files(inputs), opts=options
    )
    if host_keys.private is not None:
        Secret(
            "host-keys",
            metadata=child_metadata(inputs.owner, names.host_keys),
            data=pulumi.Output.secret(
                {name: b64encode(text.encode()).decode() for name, text in host_keys.private.items()}
            ),
            opts=options,
        )
    _home(inputs, names.home, child_options(provider, retain=_retains_home(inputs.spec)))
    Service(
        "headless",
        metadata=child_metadata(inputs.owner, names.headless),
        spec=ServiceSpecArgs(
            cluster_ip="None",
            selector=selector,
            ports=[ServicePortArgs(name="sshd", port=SSHD_PORT, target_port=SSHD_PORT, protocol="TCP")],
        ),
        opts=options,
    )
    Service(
        "ssh",
        metadata=child_metadata(inputs.owner, names.ssh),
        spec=ServiceSpecArgs(
            type=inputs.ssh_service_type,
            selector=selector,
            # sshd answers a second or two before the kubelet has found that out, and there is no other pod to prefer.
            publish_not_ready_addresses=True,
            ports=[ServicePortArgs(name="ssh", port=SSH_PORT, target_port=SSHD_PORT, protocol="TCP")],
        ),
        opts=options,
    )
    StatefulSet(
        "workload",
        metadata=child_metadata(inputs.owner, names.stateful_set),
        spec=StatefulSetSpecArgs(
            service_name=names.headless.name,
            replicas=1 if inputs.spec.running else 0,
            selector=LabelSelectorArgs(match_labels=selector),
            # The reconciler decides when a changed template restarts the pod: see pending_restart in readiness.py.
            update_strategy=StatefulSetUpdateStrategyArgs(type="OnDelete"),
            template=pod_template(
                name=inputs.owner.name,
                spec=inputs.spec,
                flavor=inputs.flavor,
                tools_image=inputs.tools_image,
                sshd_config_map=names.sshd.name,
                host_keys_secret=names.host_keys.name,
                home_claim=names.home.name,
            ),
        ),
        opts=options,
    )
    pulumi.export("sshService", f"{names.ssh.name}.{inputs.owner.namespace}:{SSH_PORT}")
    pulumi.export("hostKeys", list(host_keys.public))


def _home(inputs: DevServerInputs, child: Child, options: pulumi.ResourceOptions) -> None:
    home = inputs.spec.home
    if home is None:
        return
    PersistentVolumeClaim(
        "home",
        metadata=retained_metadata(inputs.owner, child, belongs_to=inputs.spec.owner),
        spec=PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=home.storage_class_name,
            resources=VolumeResourceRequirementsArgs(requests={"storage": inputs.home_size or home.size}),
        ),
        opts=options,
    )


def _retains_home(spec: DevServerSpec) -> bool:
    return spec.home is not None and spec.home.on_delete == "Retain"


def sshd_files(inputs: DevServerInputs) -> dict[str, str]:
    """The files of the ConfigMap that sshd and the start script read, by name."""
    files = resources.files("stacks") / "files"
    return {
        "sshd_config": (files / "sshd_config").read_text(),
        "startup.sh": (files / "startup.sh").read_text(),
        "authorized_keys": "".join(f"{line}\n" for line in inputs.authorized_keys),
        "motd": message_of_the_day(
            inputs.owner,
            inputs.spec.owner,
            inputs.flavor_name,
            inputs.time_to_live,
            inputs.expires_at,
            inputs.flavor.security_profile,
        ),
        "warnings": warnings(inputs.owner, inputs.time_to_live, inputs.expires_at, inputs.warn_minutes),
    }
