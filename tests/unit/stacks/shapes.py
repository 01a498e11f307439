"""Inputs of all shapes, for the tests of what programs declare and of its digests."""

from stacks import flavor, user
from stacks.declarations import Program
from stacks.devserver import program as devserver
from stacks.devserver.program import DevServerInputs, HostKeys
from stacks.flavor import DevServerFlavorInputs
from stacks.user import DevServerUserInputs
from tests.builders import (
    ECDSA,
    ED25519,
    HOST_KEYS,
    devserver_inputs,
    flavor_inputs,
    owner,
    user_inputs,
)

Inputs = DevServerInputs | DevServerFlavorInputs | DevServerUserInputs

_FLAVOR = {
    "resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": 1}},
    "nodeSelector": {"kubernetes.io/arch": "amd64", "node_pool": "api_version"},
    "tolerations": [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 30},
        {"operator": "Exists"},
    ],
    "volumes": [
        {"claimName": "datasets", "mountPath": "/datasets", "readOnly": True},
        {"claimName": "shared", "mountPath": "/home/dev"},
    ],
    "runtimeClassName": "nvidia",
    "shmSize": "1Gi",
}
_ENV = [
    {"name": "PATH", "value": "/opt/go/bin"},
    {"name": "api_version", "value": "$(id) $$ `id` \u202e \U0001f642"},
    {"name": "EMPTY"},
]
_VOLUMES = [
    {"claimName": "data", "mountPath": "/data"},
    {"claimName": "data", "mountPath": "/ro", "readOnly": True},
    {"claimName": "models", "mountPath": "/datasets"},
]
_QUOTAS = {
    "resourceQuotaSpec": {"hard": {"requests.cpu": "4", "pods": 10, "count/devservers.devserver.io": 3}},
    "limitRangeSpec": {
        "limits": [
            {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1m"}},
            {"type": "Pod", "max": {"memory": "4Gi"}},
            {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "10Gi"}},
        ]
    },
}
_ROLES = [{"kind": "ClusterRole", "name": "view"}, {"kind": "Role", "name": "view"}]

SHAPES: dict[str, Inputs] = {
    "devserver": devserver_inputs(),
    "devserver with everything": devserver_inputs(
        flavor=_FLAVOR,
        flavor_name="gpu",
        spec={
            "flavor": "gpu",
            "home": {"size": "10Gi", "storageClassName": "fast"},
            "volumes": _VOLUMES,
            "env": _ENV,
            "imagePullSecrets": [{"name": "registry"}, {"name": "other.registry"}],
            "updatePolicy": "Now",
        },
        home_size="20Gi",
        authorized_keys=(ED25519, ECDSA),
        time_to_live="8h",
        expires_at="2030-01-01T16:00:00Z",
        warn_minutes=(60, 15, 5),
        ssh_service_type="NodePort",
    ),
    "devserver without root": devserver_inputs(
        flavor={**_FLAVOR, "volumes": [], "securityProfile": "restricted"},
        spec={"volumes": _VOLUMES, "env": _ENV},
        time_to_live="1h30m",
        expires_at="2030-01-01T09:30:00Z",
    ),
    "devserver without root, with a home": devserver_inputs(
        flavor={"securityProfile": "restricted"},
        spec={"home": {"size": "1Gi"}, "volumes": [{"claimName": "tmp", "mountPath": "/tmp"}]},
    ),
    "devserver that is stopped, its home to be deleted": devserver_inputs(
        spec={"running": False, "home": {"size": "1Gi", "onDelete": "Delete"}},
        ssh_service_type="LoadBalancer",
    ),
    "devserver whose home is the flavor's": devserver_inputs(
        flavor={"volumes": [{"claimName": "shared", "mountPath": "/home/dev"}]}, spec={"owner": "a/b@c:d"}
    ),
    "devserver of another life and cluster": devserver_inputs(
        owner=owner(name="longer-name"), cluster_id="other", tools_image="registry.example.com/tools:2"
    ),
    "flavor": flavor_inputs(),
    "flavor with everything": flavor_inputs(
        **_FLAVOR, prewarm={"images": ["debian:bookworm", "ubuntu:24.04"], "replicas": 3}, default=True
    ),
    "flavor with images, of a long name": flavor_inputs("a" * 60, prewarm={"images": ["debian:bookworm"]}),
    "flavor with room, without root": flavor_inputs(prewarm={"replicas": 1}, securityProfile="restricted"),
    "user": user_inputs(),
    "user with everything": user_inputs(quotas=_QUOTAS, rbac={"additionalRoleRefs": _ROLES}),
    "user whose namespace is to be deleted": user_inputs(
        deletionPolicy="Delete", quotas={"resourceQuotaSpec": {}, "limitRangeSpec": {}}
    ),
}


def program_of(inputs: Inputs, host_keys: HostKeys = HOST_KEYS) -> Program:
    match inputs:
        case DevServerInputs():
            return devserver.program(inputs, host_keys)
        case DevServerFlavorInputs():
            return flavor.program(inputs)
        case DevServerUserInputs():
            return user.program(inputs)
