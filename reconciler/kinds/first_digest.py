"""The first rule for digests, from before digests had a version. It hashed the inputs and the files of all programs.

A status may still hold such a digest. It causes no run if two things hold: the inputs are the same, and the programs
still declare the same as then. Reference inputs check the latter. After any change of a declaration, such a status
causes one run, which is not urgent. Then this module can go.
"""

import hashlib
import json
from functools import cache
from typing import Any

from crds import DevServerFlavorSpec, DevServerSpec, DevServerUserSpec
from reconciler.controller.digest import program_digest
from stacks import flavor, user
from stacks.declarations import Program
from stacks.devserver import program as devserver
from stacks.devserver.program import DevServerInputs
from stacks.flavor import DevServerFlavorInputs
from stacks.metadata import Owner
from stacks.user import DevServerUserInputs

Inputs = DevServerInputs | DevServerFlavorInputs | DevServerUserInputs
# Digest of the files of the package `stacks` at that time.
_FILES = "d448f8fb743cc6a73e58c7cc0a7b42c0bad1386835a5169acebe5f94aa2aa540"


def first_digest(inputs: Inputs) -> str | None:
    """The digest of the inputs by the first rule; None if their program declares something else by now."""
    kind: type = type(inputs)
    return digest_of_inputs(inputs) if declares_the_same(kind) else None


def digest_of_inputs(inputs: Inputs) -> str:
    """The digest of the inputs by the first rule."""
    fields = _DUMPED[type(inputs)]
    text = json.dumps(_dump(inputs, fields), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{_FILES}{text}".encode()).hexdigest()[:40]


@cache
def declares_the_same(inputs: type) -> bool:
    """Whether the program for this type of inputs still declares what it declared then."""
    return [program_digest(program) for program in _references()[inputs]] == _DECLARED[inputs]


# --- what was dumped of the inputs: every field of that time, by name, also fields without a value --------------


def _fields(plain: str, **parts: Any) -> dict[str, Any]:
    """Field names. parts: fields that have fields themselves; a list with one item if the field is a list."""
    return {**dict.fromkeys(plain.split()), **parts}


def _dump(value: Any, fields: Any) -> Any:
    if value is None or fields is None:
        return value
    if isinstance(fields, list):
        return [_dump(item, fields[0]) for item in value]
    return {name: _dump(getattr(value, name), parts) for name, parts in fields.items()}


_OWNER = _fields("kind namespace name uid")
_VOLUMES = [_fields("claim_name mount_path read_only")]
_AMOUNTS = "default default_request max min"
_DEVSERVER_SPEC = _fields(
    "drift_policy owner flavor image running update_policy",
    image_pull_secrets=[_fields("name")],
    ssh=_fields("public_key additional_public_keys"),
    lifecycle=_fields("time_to_live"),
    volumes=_VOLUMES,
    home=_fields("size storage_class_name on_delete"),
    env=[_fields("name value")],
)
_FLAVOR_SPEC = _fields(
    "drift_policy default node_selector runtime_class_name shm_size security_profile",
    resources=_fields("requests limits"),
    tolerations=[_fields("key operator value effect toleration_seconds")],
    volumes=_VOLUMES,
    prewarm=_fields("images replicas"),
)
_USER_SPEC = _fields(
    "drift_policy username deletion_policy",
    rbac=_fields("", additional_role_refs=[_fields("kind name")]),
    quotas=_fields(
        "",
        resource_quota_spec=_fields("hard"),
        limit_range_spec=_fields("", limits=[_fields(f"type {_AMOUNTS}")]),
    ),
)
_DUMPED: dict[type, dict[str, Any]] = {
    DevServerInputs: _fields(
        "flavor_name authorized_keys time_to_live expires_at warn_minutes home_size tools_image ssh_service_type "
        "cluster_id",
        owner=_OWNER,
        spec=_DEVSERVER_SPEC,
        flavor=_FLAVOR_SPEC,
    ),
    DevServerFlavorInputs: _fields("namespace tools_image cluster_id", owner=_OWNER, spec=_FLAVOR_SPEC),
    DevServerUserInputs: _fields("refused_roles cluster_id", owner=_OWNER, spec=_USER_SPEC),
}


# --- what the programs declared ---------------------------------------------------------------------------------

_SHARED_FIELDS = {
    "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}],
    "volumes": [{"claimName": "shared", "mountPath": "/shared", "readOnly": True}],
    "runtimeClassName": "runtime",
    "shmSize": "1Gi",
}
_MACHINE = {
    "owner": "ada",
    "image": "image",
    "ssh": {"publicKey": "ssh-ed25519 AAAA"},
    "imagePullSecrets": [{"name": "registry"}],
    "volumes": [{"claimName": "data", "mountPath": "/data"}],
    "env": [{"name": "A", "value": "$A"}],
}
_QUOTAS = {
    "resourceQuotaSpec": {"hard": {"pods": 1}},
    "limitRangeSpec": {"limits": [{"type": "Container", "max": {"cpu": 1}}]},
}
# Digests of the programs of the reference inputs. They never change.
_DECLARED: dict[type, list[str]] = {
    DevServerInputs: [
        "2:d7f0a3186d7af207e6dd9ba2d4c91a8039a22c5e",
        "2:63ad2c191db3b21aedf7b63c81e5f767044e340d",
        "2:063560f126807dadab8f4aeb44ed8f37c8b7e2a0",
    ],
    DevServerFlavorInputs: ["2:c781aa9d34e412575a2e33caad91a2be0a063037"],
    DevServerUserInputs: [
        "2:de18aef82fc624e589ec7744307c28062494b692",
        "2:3da20b5cdc0e00da0795bfe912254e33c1650c07",
    ],
}


def _references() -> dict[type, list[Program]]:
    """Programs whose inputs use every feature of that time."""
    return {
        DevServerInputs: [
            _devserver("baseline", {**_MACHINE, "home": {"size": "1Gi", "storageClassName": "fast"}}),
            _devserver("restricted", {**_MACHINE, "home": {"size": "1Gi", "onDelete": "Delete"}}),
            _devserver("restricted", {**_MACHINE, "running": False}),
        ],
        DevServerFlavorInputs: [_flavor({"images": ["image"], "replicas": 1})],
        DevServerUserInputs: [_user("Retain"), _user("Delete")],
    }


def _devserver(profile: str, spec: dict[str, Any]) -> Program:
    inputs = DevServerInputs(
        owner=Owner("DevServer", "dev-ada", "box", "uid"),
        spec=DevServerSpec.model_validate(spec),
        flavor_name="flavor",
        flavor=DevServerFlavorSpec.model_validate({**_SHARED_FIELDS, "securityProfile": profile}),
        authorized_keys=("ssh-ed25519 AAAA",),
        time_to_live="8h",
        expires_at="2030-01-01T08:00:00Z",
        warn_minutes=(15, 5),
        home_size="2Gi",
        tools_image="tools",
        ssh_service_type="ClusterIP",
        cluster_id="cluster",
    )
    return devserver.program(inputs, devserver.UNKNOWN_HOST_KEYS)


def _flavor(prewarm: dict[str, Any]) -> Program:
    spec = DevServerFlavorSpec.model_validate({**_SHARED_FIELDS, "prewarm": prewarm})
    owner = Owner("DevServerFlavor", "", "flavor", "uid")
    return flavor.program(DevServerFlavorInputs(owner, spec, "devserver-system", "tools", "cluster"))


def _user(policy: str) -> Program:
    spec = DevServerUserSpec.model_validate(
        {
            "username": "ada",
            "rbac": {"additionalRoleRefs": [{"kind": "Role", "name": "role"}]},
            "quotas": _QUOTAS,
            "deletionPolicy": policy,
        }
    )
    owner = Owner("DevServerUser", "", "ada", "uid")
    return user.program(DevServerUserInputs(owner, spec, (), "cluster"))
