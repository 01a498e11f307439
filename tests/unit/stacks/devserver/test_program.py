"""What the program of a DevServer declares."""

import json
from base64 import b64encode
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from stacks.declarations import Declaration
from stacks.devserver import program as devserver
from stacks.devserver.program import DevServerChildren, DevServerInputs, HostKeys, sshd_files
from stacks.metadata import owner_hash
from stacks.registration import register
from tests import builders
from tests.builders import HOST_KEYS, devserver_inputs
from tests.declared import Declared, declared
from tests.unit.stacks.registered import requests_of

HOME = {"home": {"size": "10Gi"}}
# How Pulumi marks a secret among the properties that it sends.
SECRET_MARK, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
BROUGHT_BY_USER = HostKeys(public=HOST_KEYS.public, private=None)


def declare(inputs: DevServerInputs, keys: HostKeys = HOST_KEYS) -> Declared:
    return declared(devserver.program(inputs, keys))


@pytest.fixture(scope="module")
def full() -> Declared:
    """A DevServer that has every child there is."""
    return declare(devserver_inputs(spec=HOME))


@pytest.mark.parametrize(
    ("inputs", "keys", "optional"),
    [
        (devserver_inputs(), HOST_KEYS, {"host_keys"}),
        (devserver_inputs(), BROUGHT_BY_USER, set()),
        (devserver_inputs(spec=HOME), HOST_KEYS, {"host_keys", "home"}),
        (devserver_inputs(spec={"home": {"size": "1Gi", "onDelete": "Delete"}}), BROUGHT_BY_USER, {"home"}),
    ],
    ids=["plain", "with the user's host keys", "with a home", "with both"],
)
def test_the_children_are_those_that_there_are_names_for(
    inputs: DevServerInputs, keys: HostKeys, optional: set[str]
) -> None:
    names = DevServerChildren.of(inputs.owner)
    expected = {getattr(names, name) for name in {"stateful_set", "headless", "ssh", "sshd", *optional}}
    children = devserver.program(inputs, keys).children
    assert set(children) == expected
    assert len(children) == len(expected)


def test_logical_names_are_what_states_in_clusters_hold(full: Declared) -> None:
    """A renamed resource is deleted and created by the engine: never change these without an alias."""
    assert {name: item.type for name, item in full.items()} == {
        "sshd": "kubernetes:core/v1:ConfigMap",
        "host-keys": "kubernetes:core/v1:Secret",
        "home": "kubernetes:core/v1:PersistentVolumeClaim",
        "headless": "kubernetes:core/v1:Service",
        "ssh": "kubernetes:core/v1:Service",
        "workload": "kubernetes:apps/v1:StatefulSet",
    }


def test_the_provider_updates_in_place_and_holds_no_way_to_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/the/reconcilers/own")
    program = devserver.program(devserver_inputs(), HOST_KEYS)
    assert requests_of(partial(register, program))["pulumi:providers:kubernetes kubernetes"]["object"] == {
        "clusterIdentifier": "cluster-uid",
        "enableServerSideApply": "true",
        "enableConfigMapMutable": "true",
        "enableSecretMutable": "true",
    }


@pytest.mark.parametrize("name", ["sshd", "host-keys", "headless", "ssh", "workload"])
def test_a_child_carries_who_made_it_and_whose_it_is(full: Declared, name: str) -> None:
    child = full[name]
    assert child.metadata["labels"] == {
        "app.kubernetes.io/managed-by": "devserver-reconciler",
        "devserver.io/uid": "uid-box",
        "devserver.io/name": "box",
    }
    assert child.metadata["ownerReferences"] == [
        {
            "apiVersion": "devserver.io/v1",
            "kind": "DevServer",
            "name": "box",
            "uid": "uid-box",
            "controller": True,
        }
    ]
    assert not child.retain_on_delete


def test_a_retained_child_carries_neither_uid_nor_owner_reference(full: Declared) -> None:
    home = full["home"]
    assert home.retain_on_delete
    assert "ownerReferences" not in home.metadata
    assert home.metadata["labels"] == {
        "app.kubernetes.io/managed-by": "devserver-reconciler",
        "devserver.io/owner-hash": owner_hash("ada@example.com"),
    }
    assert home.metadata["annotations"]["devserver.io/retained-by"] == "devserver.dev-ada.box"
    assert "uid-box" not in json.dumps(home.manifest)


def test_every_child_is_applied_without_waiting_by_a_fixed_manager_that_takes_its_fields_back(
    full: Declared,
) -> None:
    for item in full.values():
        assert (
            item.metadata["annotations"]
            | {
                "pulumi.com/skipAwait": "true",
                "pulumi.com/deletionPropagationPolicy": "background",
                "pulumi.com/patchFieldManager": "devserver-reconciler",
                "pulumi.com/patchForce": "true",
            }
            == item.metadata["annotations"]
        )


@pytest.mark.parametrize(("on_delete", "retained"), [("Retain", True), ("Delete", False)])
def test_a_home_stays_if_the_owner_says_so(on_delete: str, retained: bool) -> None:
    stack = declare(devserver_inputs(spec={"home": {"size": "1Gi", "onDelete": on_delete}}))
    assert stack["home"].retain_on_delete is retained


def test_a_home_asks_for_the_size_that_was_gathered() -> None:
    home = declare(devserver_inputs(spec=HOME, home_size="20Gi"))["home"]
    assert home.manifest["spec"]["resources"]["requests"] == {"storage": "20Gi"}
    assert home.manifest["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert "storageClassName" not in home.manifest["spec"]


def test_private_host_keys_leave_the_program_as_secrets_only(full: Declared) -> None:
    program = devserver.program(devserver_inputs(spec=HOME), HOST_KEYS)
    requests = requests_of(partial(register, program))
    secret = requests.pop("kubernetes:core/v1:Secret host-keys")
    assert secret["additionalSecretOutputs"] == ["data", "stringData"]
    encoded = b64encode(b"PRIVATE 1").decode()
    assert secret["object"]["data"][SECRET_MARK] == SECRET
    assert secret["object"]["data"]["value"]["ssh_host_ed25519_key"] == encoded
    for told in (json.dumps(requests), repr(program), repr(HOST_KEYS)):
        assert "PRIVATE" not in told
        assert encoded not in told
    assert full["host-keys"].manifest["data"]["ssh_host_ed25519_key"] == encoded


def test_selectors_hold_the_name_only_so_that_a_recreated_devserver_can_adopt(full: Declared) -> None:
    by_name = {"devserver.io/name": "box"}
    assert spec(full["workload"])["selector"] == {"matchLabels": by_name}
    for service in ("headless", "ssh"):
        assert spec(full[service])["selector"] == by_name
    pod_labels = spec(full["workload"])["template"]["metadata"]["labels"]
    assert "devserver.io/uid" not in pod_labels
    assert by_name.items() <= pod_labels.items()


def spec(item: Declaration) -> dict[str, Any]:
    found: dict[str, Any] = item.manifest["spec"]
    return found


@pytest.mark.parametrize(("running", "replicas"), [(True, 1), (False, 0)])
def test_running_says_how_many_pods_there_are(running: bool, replicas: int) -> None:
    workload = declare(devserver_inputs(spec={"running": running}))["workload"]
    assert spec(workload)["replicas"] == replicas


def test_the_reconciler_decides_when_a_changed_template_restarts_the_pod(full: Declared) -> None:
    assert spec(full["workload"])["updateStrategy"] == {"type": "OnDelete"}
    assert spec(full["workload"])["serviceName"] == "box"


@pytest.mark.parametrize("type_", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_the_ssh_service_leads_from_port_22_to_2222(type_: str) -> None:
    objects = declare(devserver_inputs(ssh_service_type=type_))
    assert spec(objects["ssh"])["type"] == type_
    assert spec(objects["ssh"])["publishNotReadyAddresses"] is True
    (port,) = spec(objects["ssh"])["ports"]
    assert (port["port"], port["targetPort"], port["protocol"]) == (22, 2222, "TCP")
    assert spec(objects["headless"])["clusterIP"] == "None"


def test_the_config_map_brings_all_files_that_sshd_and_the_start_script_read() -> None:
    keys = (builders.ED25519, builders.ECDSA)
    files = sshd_files(devserver_inputs(authorized_keys=keys))
    assert files.keys() == {"sshd_config", "startup.sh", "authorized_keys", "motd", "warnings"}
    assert files["authorized_keys"].splitlines() == list(keys)
    assert all(text.endswith("\n") for text in files.values())


def test_the_files_have_nothing_substituted_into_them() -> None:
    """Hostile values reach the shell through files and the environment, never as a part of a script."""
    plain = sshd_files(devserver_inputs())
    changed = sshd_files(
        devserver_inputs(flavor_name="other", spec={"env": [{"name": "A", "value": "$(id)"}]})
    )
    for script in ("sshd_config", "startup.sh"):
        assert plain[script] == changed[script]


def test_keys_message_and_expiry_are_no_reason_for_another_template() -> None:
    inputs = devserver_inputs()
    changed = replace(
        inputs,
        authorized_keys=(builders.ECDSA,),
        expires_at="2030-01-01T16:00:00Z",
        time_to_live="8h",
        warn_minutes=(60, 15, 5),
    )
    assert declare(inputs)["workload"] == declare(changed)["workload"]
    assert declare(inputs)["sshd"] != declare(changed)["sshd"]
