"""What is recorded: 20 DevServers of all shapes, with the users and flavors that they need.

A recording holds them as the operator of its time made them; what stands here is only for the next one.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

Object = dict[str, Any]

ADA, GRACE, TEAM = "dev-ada", "dev-grace", "team"
SETTINGS = {"DEVSERVER_ALLOWED_ROLES": '["ClusterRole/devserver-token-issuer"]'}
_ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvhw4cGyrzpuXxMVxUCjV4rGAlTDIdNzgJ3mhqEkcUh ada@example.com"
_ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEgLT/PPeKgAjQl7G24a"
    "7bhkVqolWsIYfllsnKXSCeNsS784A++agpe5gx+ACHaTERA6k6gMfl5wizLS8BXJR48="
)
_BUSYBOX, _DEBIAN = "local/busybox:1", "local/debian:bookworm"
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}}


def _custom(kind: str, name: str, namespace: str = "", **spec: Any) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "devserver.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _devserver(namespace: str, name: str, owner: str, **spec: Any) -> Object:
    basic = {"owner": owner, "image": _BUSYBOX, "ssh": {"publicKey": _ED25519}}
    return _custom("DevServer", name, namespace, **basic | spec)


def _claim(namespace: str, name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Mi"}}},
    }


def _env(**values: str) -> list[Object]:
    return [{"name": name, "value": value} for name, value in values.items()]


def users() -> list[Object]:
    """They come first, for their namespaces."""
    quotas = {
        "resourceQuotaSpec": {"hard": {"pods": 30, "requests.storage": "10Gi"}},
        "limitRangeSpec": {"limits": [{"type": "Container", "max": {"memory": "8Gi"}}]},
    }
    allowed = {"kind": "ClusterRole", "name": "devserver-token-issuer"}
    refused = {"kind": "ClusterRole", "name": "nobody-allows-this"}
    return [
        _custom(
            "DevServerUser",
            "ada-lovelace",
            username="ada",
            quotas=quotas,
            rbac={"additionalRoleRefs": [allowed]},
        ),
        _custom("DevServerUser", "grace", username="grace", deletionPolicy="Delete"),
        _custom("DevServerUser", "alan", username="alan", rbac={"additionalRoleRefs": [refused]}),
    ]


def _moving(memory: str) -> Object:
    return _custom("DevServerFlavor", "moving", resources={"requests": {"cpu": "10m", "memory": memory}})


def flavors() -> list[Object]:
    toleration = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    return [
        _custom("DevServerFlavor", "tiny", default=True, resources=_SMALL),
        _custom("DevServerFlavor", "locked", resources=_SMALL, securityProfile="restricted"),
        _custom(
            "DevServerFlavor",
            "large",
            resources={"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "2"}},
            nodeSelector={"kubernetes.io/os": "linux"},
            tolerations=[toleration],
            volumes=[{"claimName": "datasets", "mountPath": "/datasets", "readOnly": True}],
            shmSize="64Mi",
        ),
        _custom("DevServerFlavor", "warm", resources=_SMALL, prewarm={"images": [_BUSYBOX], "replicas": 1}),
        _custom("DevServerFlavor", "huge", resources={"requests": {"cpu": "1000"}}),
        _moving("32Mi"),
    ]


def belongings() -> list[Object]:
    """What the DevServers find when they are made."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}},
        _claim(ADA, "shared"),
        _claim(GRACE, "shared"),
        _claim(TEAM, "datasets"),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "own-keys-hostkeys", "namespace": GRACE},
            "stringData": {"ssh_host_ed25519_key": _new_private_key()},
        },
    ]


def _new_private_key() -> str:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        return file.read_text()


def _returned() -> Object:
    return _devserver(ADA, "returned", "ada", home={"size": "20Mi"})


def devservers() -> list[Object]:
    shared = {"claimName": "shared", "mountPath": "/mnt/shared"}
    return [
        _devserver(ADA, "plain", "ada"),
        _devserver(ADA, "home-retained", "ada", home={"size": "20Mi", "storageClassName": "standard"}),
        _devserver(ADA, "home-deleted", "ada", image=_DEBIAN, home={"size": "20Mi", "onDelete": "Delete"}),
        _devserver(ADA, "env", "ada", env=_env(EDITOR="vim", EMPTY="", GREETING='Grüß "Gott" $HOME')),
        _devserver(ADA, "volumes", "ada", volumes=[shared]),
        _devserver(
            ADA, "many-keys", "ada", ssh={"publicKey": _ED25519, "additionalPublicKeys": [_ECDSA, _ED25519]}
        ),
        _devserver(ADA, "ends", "ada", lifecycle={"timeToLive": "8h"}, home={"size": "20Mi"}),
        _returned(),
        _devserver(GRACE, "restricted", "grace", flavor="locked"),
        _devserver(
            GRACE,
            "restricted-all",
            "grace",
            image=_DEBIAN,
            flavor="locked",
            home={"size": "20Mi"},
            env=_env(A="b"),
            volumes=[shared],
        ),
        _devserver(GRACE, "stopped", "grace", running=False),
        _devserver(GRACE, "stopped-with-data", "grace", running=False, home={"size": "20Mi"}),
        _devserver(GRACE, "own-keys", "grace"),
        # Longer than the operator allows.
        _devserver(GRACE, "ends-limited", "grace", lifecycle={"timeToLive": "720h"}),
        _devserver(TEAM, "by-mail", "linus@example.com", flavor="large"),
        _devserver(TEAM, "by-other-mail", "Grace.Hopper+dev@example.com", home={"size": "20Mi"}),
        _devserver(
            TEAM,
            "everything",
            "linus@example.com",
            image=_DEBIAN,
            flavor="large",
            home={"size": "20Mi", "onDelete": "Delete"},
            env=_env(A="b", C="d"),
            volumes=[{"claimName": "datasets", "mountPath": "/mnt/again"}],
            imagePullSecrets=[{"name": "registry"}],
            updatePolicy="Now",
            driftPolicy="Observe",
        ),
        _devserver(TEAM, "observed", "linus@example.com", flavor="warm", driftPolicy="Observe"),
        _devserver(TEAM, "to-restart", "linus@example.com", flavor="moving"),
        _devserver(TEAM, "grown", "linus@example.com", home={"size": "20Mi"}),
    ]


# Deleted and made again once all have settled, so that it finds the home of its earlier life.
RETURNED = (ADA, "returned")


def changes() -> list[Object]:
    """What is applied once all have settled: a flavor that a pod waits for, a home that cannot grow, `returned`."""
    return [
        _moving("48Mi"),
        _devserver(TEAM, "grown", "linus@example.com", home={"size": "40Mi"}),
        _returned(),
    ]


# A ConfigMap of a DevServer that only observes drift, changed by hand.
DRIFTED = (TEAM, "observed-sshd", {"data": {"motd": "Changed by hand.\n"}})
