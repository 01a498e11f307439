"""The stack of a DevServer: StatefulSet, two Services, host keys, sshd's files and, if the spec has one, a home."""

from base64 import b64encode
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Literal

from crds import DevServerFlavorSpec, DevServerSpec
from stacks.declarations import Declaration, Program
from stacks.devserver.messages import message_of_the_day, warnings
from stacks.devserver.pod import pod_template
from stacks.metadata import NAME_LABEL, Child, Manifest, Owner, owned, present, retained
from stacks.tools import SSHD_PORT

SSH_PORT = 22


@dataclass(frozen=True)
class HostKeys:
    """The SSH host keys.

    public: lines as in known_hosts, without the host: `TYPE BASE64`.
    private: content of the Secret by file name; None if the user made their own Secret. The stack mounts that one, but
        never owns or changes it.
    """

    public: tuple[str, ...]
    private: dict[str, str] | None = field(repr=False)


@dataclass(frozen=True)
class DevServerInputs:
    """All that the program depends on, except the host keys, which cause no run.

    authorized_keys: checked lines, `TYPE BASE64`.
    time_to_live: the spec's or the operator's default; None if there is neither.
    expires_at: RFC 3339 time for the messages; None if the DevServer does not expire.
    warn_minutes: how many minutes before the expiry it warns, in falling order.
    home_size: the size to request, at least that of the live PVC; None without a home.
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


# Placeholder while the host keys are unknown. The declarations are the same, except for the keys themselves.
UNKNOWN_HOST_KEYS = HostKeys(public=(), private={})


def program(inputs: DevServerInputs, host_keys: HostKeys) -> Program:
    """The program of the DevServer."""
    names = DevServerChildren.of(inputs.owner)
    declarations = [
        Declaration("sshd", owned(inputs.owner, names.sshd, data=sshd_files(inputs))),
        *_host_keys(inputs, host_keys),
        *_home(inputs),
        Declaration("headless", owned(inputs.owner, names.headless, spec=_headless_service(inputs))),
        Declaration("ssh", owned(inputs.owner, names.ssh, spec=_ssh_service(inputs))),
        Declaration("workload", owned(inputs.owner, names.stateful_set, spec=_stateful_set(inputs))),
    ]
    outputs = {
        "sshService": f"{names.ssh.name}.{inputs.owner.namespace}:{SSH_PORT}",
        "hostKeys": list(host_keys.public),
    }
    return Program(inputs.cluster_id, tuple(declarations), outputs)


def _host_keys(inputs: DevServerInputs, host_keys: HostKeys) -> list[Declaration]:
    if host_keys.private is None:
        return []
    data = {name: b64encode(text.encode()).decode() for name, text in host_keys.private.items()}
    child = DevServerChildren.of(inputs.owner).host_keys
    secret = owned(inputs.owner, child, data=data)
    return [Declaration("host-keys", secret, secret_fields=("data", "stringData"))]


def _home(inputs: DevServerInputs) -> list[Declaration]:
    home = inputs.spec.home
    if home is None:
        return []
    spec = present(
        accessModes=["ReadWriteOnce"],
        storageClassName=home.storage_class_name,
        resources={"requests": {"storage": inputs.home_size or home.size}},
    )
    child = DevServerChildren.of(inputs.owner).home
    claim = retained(inputs.owner, child, belongs_to=inputs.spec.owner, spec=spec)
    return [Declaration("home", claim, retain_on_delete=home.on_delete == "Retain")]


def _headless_service(inputs: DevServerInputs) -> Manifest:
    return {
        "clusterIP": "None",
        "selector": _selector(inputs),
        "ports": [{"name": "sshd", "port": SSHD_PORT, "targetPort": SSHD_PORT, "protocol": "TCP"}],
    }


def _ssh_service(inputs: DevServerInputs) -> Manifest:
    return {
        "type": inputs.ssh_service_type,
        "selector": _selector(inputs),
        # sshd answers a second or two before the kubelet notices, and there is no other pod to prefer.
        "publishNotReadyAddresses": True,
        "ports": [{"name": "ssh", "port": SSH_PORT, "targetPort": SSHD_PORT, "protocol": "TCP"}],
    }


def _stateful_set(inputs: DevServerInputs) -> Manifest:
    names = DevServerChildren.of(inputs.owner)
    return {
        "serviceName": names.headless.name,
        "replicas": 1 if inputs.spec.running else 0,
        "selector": {"matchLabels": _selector(inputs)},
        # The reconciler decides when a changed template restarts the pod: see pending_restart in restarts.py.
        "updateStrategy": {"type": "OnDelete"},
        "template": pod_template(
            name=inputs.owner.name,
            spec=inputs.spec,
            flavor=inputs.flavor,
            tools_image=inputs.tools_image,
            sshd_config_map=names.sshd.name,
            host_keys_secret=names.host_keys.name,
            home_claim=names.home.name,
        ),
    }


def _selector(inputs: DevServerInputs) -> dict[str, str]:
    # Without the uid, so that a recreated DevServer can adopt the objects.
    return {NAME_LABEL: inputs.owner.name}


def sshd_files(inputs: DevServerInputs) -> dict[str, str]:
    """The files of the ConfigMap, by name. sshd and the start script read them."""
    return {
        "sshd_config": _file("sshd_config"),
        "startup.sh": _file("startup.sh"),
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


@cache
def _file(name: str) -> str:
    return (resources.files("stacks") / "files" / name).read_text()
