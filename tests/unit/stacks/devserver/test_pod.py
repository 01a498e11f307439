"""The pod of a DevServer."""

from typing import Any

import pytest

from crds.volumes import VolumeMount
from stacks.devserver import program as devserver
from stacks.devserver.mounts import merged_volumes
from stacks.devserver.pod import restart_digest
from tests.builders import HOST_KEYS, devserver_inputs
from tests.declared import declared

Spec = dict[str, Any]
RESTRICTED = {"securityProfile": "restricted"}


def template(flavor: Spec | None = None, **spec: Any) -> Spec:
    program = devserver.program(devserver_inputs(flavor=flavor, spec=spec), HOST_KEYS)
    found: Spec = declared(program)["workload"].manifest["spec"]["template"]
    return found


def pod(flavor: Spec | None = None, **spec: Any) -> Spec:
    found: Spec = template(flavor, **spec)["spec"]
    return found


def main(pod: Spec) -> Spec:
    (container,) = pod["containers"]
    found: Spec = container
    return found


def mounts(pod: Spec) -> dict[str, str]:
    """Claim, Secret, ConfigMap or medium by mount path of the main container."""
    sources = {}
    for volume in pod["volumes"]:
        match volume:
            case {"persistentVolumeClaim": {"claimName": source}}:
                sources[volume["name"]] = source
            case {"secret": {"secretName": source}} | {"configMap": {"name": source}}:
                sources[volume["name"]] = source
            case {"emptyDir": empty}:
                sources[volume["name"]] = empty.get("medium", "empty")
    return {mount["mountPath"]: sources[mount["name"]] for mount in main(pod)["volumeMounts"]}


def test_a_pod_has_no_token_and_no_service_variables() -> None:
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["enableServiceLinks"] is False


def test_the_users_image_runs_the_start_script_by_the_tools_own_shell() -> None:
    container = main(pod(image="registry.example.com/me/box:1"))
    assert container["image"] == "registry.example.com/me/box:1"
    assert container["command"] == ["/opt/devserver/bin/busybox", "sh", "/etc/devserver/startup.sh"]


def test_config_reaches_the_pod_by_whole_volumes_so_that_it_changes_while_the_pod_runs() -> None:
    assert all("subPath" not in mount for mount in main(pod())["volumeMounts"])


def test_without_root_the_image_has_its_etc_files_made_by_an_init_container_of_its_own() -> None:
    made = pod(flavor=RESTRICTED, image="me/box:1", env=[{"name": "PATH", "value": "/opt/go/bin"}])
    tools, etc = made["initContainers"]
    assert (tools["name"], etc["name"], etc["image"]) == ("tools", "etc", "me/box:1")
    assert etc["command"] == [*main(made)["command"], "etc"]
    assert etc["env"] == main(made)["env"]
    assert etc["resources"] == tools["resources"]
    files = {
        mount["mountPath"]: mount["subPath"] for mount in main(made)["volumeMounts"] if "subPath" in mount
    }
    assert files == {
        "/etc/group": "etc/group",
        "/etc/motd": "etc/motd",
        "/etc/passwd": "etc/passwd",
        "/etc/profile.d/00-devserver.sh": "etc/profile.d/00-devserver.sh",
        "/etc/shadow": "etc/shadow",
    }


@pytest.mark.parametrize(
    ("spec", "mounted"),
    [
        ({}, {"/home/dev": "empty", "/tmp": "empty"}),
        ({"home": {"size": "1Gi"}}, {"/home/dev": "box-home", "/tmp": "empty"}),
        (
            {
                "volumes": [
                    {"claimName": "a", "mountPath": "/home/dev"},
                    {"claimName": "b", "mountPath": "/tmp"},
                ]
            },
            {"/home/dev": "a", "/tmp": "b"},
        ),
    ],
    ids=["neither", "a home", "claims in both places"],
)
def test_without_root_there_is_a_home_and_a_tmp_to_write_to(spec: Spec, mounted: dict[str, str]) -> None:
    found = mounts(pod(flavor=RESTRICTED, **spec))
    assert {path: found[path] for path in ("/home/dev", "/tmp")} == mounted


def test_volumes_are_mounted_where_they_belong() -> None:
    made = pod(
        flavor={"volumes": [{"claimName": "datasets", "mountPath": "/datasets"}], "shmSize": "1Gi"},
        volumes=[{"claimName": "data", "mountPath": "/data"}],
        home={"size": "10Gi"},
    )
    assert mounts(made) == {
        "/opt/devserver": "empty",
        "/etc/devserver": "box-sshd",
        "/etc/devserver-hostkeys": "box-hostkeys",
        "/dev/shm": "Memory",
        "/home/dev": "box-home",
        "/datasets": "datasets",
        "/data": "data",
    }


def test_a_home_wins_over_what_the_flavor_mounts_there() -> None:
    flavor = {"volumes": [{"claimName": "shared", "mountPath": "/home/dev"}]}
    assert mounts(pod(flavor=flavor))["/home/dev"] == "shared"
    with_home = pod(flavor=flavor, home={"size": "1Gi"})
    assert mounts(with_home)["/home/dev"] == "box-home"
    assert [mount["mountPath"] for mount in main(with_home)["volumeMounts"]].count("/home/dev") == 1


def test_the_host_keys_are_readable_by_root_alone() -> None:
    """Without root, the pod's fsGroup has Kubernetes add dev's group."""
    (secret,) = [volume["secret"] for volume in pod()["volumes"] if "secret" in volume]
    assert secret["defaultMode"] == 0o400


def test_a_read_only_volume_is_read_only_in_claim_and_mount() -> None:
    made = pod(volumes=[{"claimName": "data", "mountPath": "/data", "readOnly": True}])
    (volume,) = [item for item in made["volumes"] if "persistentVolumeClaim" in item]
    (mount,) = [item for item in main(made)["volumeMounts"] if item["name"] == volume["name"]]
    assert volume["persistentVolumeClaim"]["readOnly"] is True
    assert mount["readOnly"] is True


def test_a_claim_that_is_mounted_twice_is_one_volume_and_read_only_where_it_was_asked_to_be() -> None:
    twice = [
        {"claimName": "data", "mountPath": "/ro", "readOnly": True},
        {"claimName": "data", "mountPath": "/rw"},
    ]
    made = pod(volumes=twice)
    (volume,) = [item for item in made["volumes"] if "persistentVolumeClaim" in item]
    assert volume["persistentVolumeClaim"] == {"claimName": "data", "readOnly": False}
    uses = [item for item in main(made)["volumeMounts"] if item["name"] == volume["name"]]
    assert {item["mountPath"]: item["readOnly"] for item in uses} == {"/ro": True, "/rw": False}


def mount(path: str, claim: str) -> VolumeMount:
    return VolumeMount.model_validate({"claimName": claim, "mountPath": path})


@pytest.mark.parametrize(
    ("flavor", "own", "merged"),
    [
        ([], [], []),
        ([("/a", "f")], [], [("/a", "f")]),
        ([], [("/a", "d")], [("/a", "d")]),
        ([("/a", "f")], [("/b", "d")], [("/a", "f"), ("/b", "d")]),
        ([("/a", "f"), ("/b", "f")], [("/a", "d")], [("/a", "d"), ("/b", "f")]),
        ([("/a", "f")], [("/a/b", "d")], [("/a", "f"), ("/a/b", "d")]),
    ],
    ids=["none", "the flavor's", "its own", "both", "its own win at the same path", "nested paths are two"],
)
def test_volumes_of_flavor_and_devserver_are_merged(
    flavor: list[tuple[str, str]], own: list[tuple[str, str]], merged: list[tuple[str, str]]
) -> None:
    result = merged_volumes([mount(*item) for item in flavor], [mount(*item) for item in own])
    assert [(item.mount_path, item.claim_name) for item in result] == merged


def test_a_flavor_sizes_and_places_the_pod() -> None:
    made = pod(
        flavor={
            "resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "nvidia.com/gpu": 1}},
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "runtimeClassName": "nvidia",
        }
    )
    assert main(made)["resources"] == {
        "requests": {"cpu": "500m"},
        "limits": {"cpu": "2", "nvidia.com/gpu": "1"},
    }
    assert made["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert made["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert made["runtimeClassName"] == "nvidia"


def test_pull_secrets_are_named() -> None:
    assert pod(imagePullSecrets=[{"name": "registry"}])["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$(PATH)", "$$(PATH)"),
        ("pa$$word", "pa$$$$word"),
        ("--rm -rf /", "--rm -rf /"),
    ],
)
def test_kubernetes_expands_nothing_in_an_environment_value(value: str, sent: str) -> None:
    """Kubernetes reads $(NAME) as a reference and $$ as an escaped $."""
    assert main(pod(env=[{"name": "A", "value": value}]))["env"] == [{"name": "A", "value": sent}]


def test_the_template_carries_the_restart_digest() -> None:
    annotations = template()["metadata"]["annotations"]
    assert annotations == {"devserver.io/restart-digest": restart_digest(devserver_inputs().spec)}


def digest(**spec: Any) -> str:
    return restart_digest(devserver_inputs(spec=spec).spec)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "debian:trixie"},
        {"imagePullSecrets": [{"name": "registry"}]},
        {"env": [{"name": "A", "value": "1"}]},
        {"volumes": [{"claimName": "data", "mountPath": "/data"}]},
        {"home": {"size": "1Gi"}},
        {"flavor": "gpu"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_the_user_chose_and_only_a_restart_applies_changes_the_restart_digest(change: Spec) -> None:
    assert digest(**change) != digest()


@pytest.mark.parametrize(
    "change",
    [
        {"running": False},
        {"updatePolicy": "Now"},
        {"lifecycle": {"timeToLive": "8h"}},
        {"ssh": {"publicKey": devserver_inputs().spec.ssh.public_key + " comment"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_needs_no_restart_leaves_the_restart_digest_alone(change: Spec) -> None:
    assert digest(**change) == digest()


def test_a_larger_home_leaves_the_restart_digest_alone() -> None:
    assert digest(home={"size": "2Gi"}) == digest(home={"size": "1Gi"})


@pytest.mark.parametrize(
    "inputs",
    [
        devserver_inputs(flavor={"resources": {"requests": {"cpu": "1"}}}),
        devserver_inputs(flavor=RESTRICTED),
        devserver_inputs(flavor_name="another-default"),
        devserver_inputs(tools_image="local/devserver-tools:2"),
    ],
    ids=[
        "the flavor changed",
        "its security profile changed",
        "another flavor is the default",
        "the operator was upgraded",
    ],
)
def test_a_change_that_the_user_did_not_make_leaves_the_restart_digest_alone(
    inputs: devserver.DevServerInputs,
) -> None:
    workload = declared(devserver.program(inputs, HOST_KEYS))["workload"]
    assert workload.manifest["spec"]["template"]["metadata"] == template()["metadata"]


# Specs, and the digests that pods of theirs carry in clusters: another digest restarts the pod.
STORED: list[tuple[Spec, str]] = [
    ({}, "9d355458b17734923ba714a3e779c4db"),
    ({"flavor": "gpu"}, "c6b0652f69a69134650c24b12472a958"),
    (
        {
            "image": "registry.example.com/me/box@sha256:0123",
            "imagePullSecrets": [{"name": "registry"}, {"name": "other.registry"}],
        },
        "39f18940e70da2fae7aa67fcda285426",
    ),
    (
        {
            "env": [
                {"name": "PATH", "value": "/opt/go/bin:$PATH"},
                {"name": "EMPTY"},
                {"name": "A", "value": "\u202e \U0001f642 ' \" \\"},
            ]
        },
        "d7472d2cf6944ff296b68d06b29edbd7",
    ),
    (
        {
            "volumes": [
                {"claimName": "data", "mountPath": "/data"},
                {"claimName": "data", "mountPath": "/ro", "readOnly": True},
            ]
        },
        "079dcce8fb983e58f02502ceed5cf66b",
    ),
    ({"home": {"size": "10Gi"}}, "1ccb297dbab7ecadfe3a6fe54488cf0a"),
    (
        {"home": {"size": "20Gi", "storageClassName": "fast", "onDelete": "Delete"}, "running": False},
        "1ccb297dbab7ecadfe3a6fe54488cf0a",
    ),
    (
        {"flavor": None, "volumes": [], "env": [], "imagePullSecrets": [], "home": None},
        "9d355458b17734923ba714a3e779c4db",
    ),
    (
        {"driftPolicy": "Observe", "updatePolicy": "Now", "lifecycle": {"timeToLive": "8h"}},
        "9d355458b17734923ba714a3e779c4db",
    ),
    (
        {
            "flavor": "cpu.large",
            "image": "debian:bookworm",
            "home": {"size": "1Gi"},
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "volumes": [{"claimName": "models", "mountPath": "/models", "readOnly": True}],
            "imagePullSecrets": [{"name": "registry"}],
        },
        "e05784b416f2d9e75f78e4c55f2edd8a",
    ),
]


@pytest.mark.parametrize(("spec", "stored"), STORED, ids=[", ".join(spec) or "least" for spec, _ in STORED])
def test_no_pod_is_restarted_by_another_version_of_the_operator(spec: Spec, stored: str) -> None:
    assert digest(**spec) == stored
