"""What a local cluster is told to run, and with which configuration."""

import json
from ipaddress import IPv4Network
from pathlib import Path
from string import Template

import pytest
import yaml

from localcluster.components import Component, components
from localcluster.config import render
from localcluster.plan import plan
from localcluster.settings import Settings

SETTINGS = Settings(
    name="x",
    node_subnet=IPv4Network("10.1.0.0/24"),
    service_cidr=IPv4Network("10.2.0.0/16"),
    pod_cidr=IPv4Network("10.3.0.0/24"),
)


def locate(name: str) -> Path:
    return Path("/programs") / name


def component(name: str) -> Component:
    return next(found for found in components(SETTINGS, locate) if found.name == name)


def test_every_component_starts_after_components_that_are_named_before_it() -> None:
    started: set[str] = set()
    for found in components(SETTINGS, locate):
        assert set(found.after) <= started
        started.add(found.name)


def test_every_component_has_a_sign_of_readiness_or_runs_once() -> None:
    assert all(found.once != bool(found.ready) for found in components(SETTINGS, locate))


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("kube-apiserver", "--advertise-address=10.1.0.1"),
        ("kube-apiserver", "--service-cluster-ip-range=10.2.0.0/16"),
        ("kube-apiserver", "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement"),
        ("kube-controller-manager", "--cluster-cidr=10.3.0.0/24"),
        ("kube-controller-manager", "--enable-hostpath-provisioner=true"),
        ("kubelet", "--node-ip=10.1.0.1"),
        ("kube-proxy", "--conntrack-max-per-core=0"),
        ("etcd", "--unsafe-no-fsync"),
    ],
)
def test_components_get_the_clusters_addresses_and_features(name: str, flag: str) -> None:
    assert flag in component(name).argv


def test_nothing_inside_depends_on_where_the_host_keeps_the_state_but_one_mount() -> None:
    commands = plan(SETTINGS, Path("/somewhere/state"), locate)["setup"]
    mentions = [command for command in commands if any("/somewhere" in argument for argument in command)]
    assert mentions == [("mount", "--bind", "/somewhere/state", "/run/localcluster")]


def test_the_plan_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(plan(SETTINGS, Path("/state"), locate)))["interface"] == "eth0"


def test_the_kubelet_lets_nobody_in_who_does_not_sign_in() -> None:
    kubelet = yaml.safe_load(render(SETTINGS)["kubelet.yaml"])
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authorization"] == {"mode": "Webhook"}
    assert kubelet["readOnlyPort"] == 0
    assert kubelet["maxPods"] == 250


def test_pods_have_routes_to_services_and_the_node_only() -> None:
    network = json.loads(render(SETTINGS)["cni/pods.conflist"])
    routes = network["plugins"][0]["ipam"]["routes"]
    assert routes == [{"dst": "10.2.0.0/16"}, {"dst": "10.1.0.0/24"}]


def test_the_dns_service_is_at_the_tenth_address_and_served_by_the_node() -> None:
    addons = list(yaml.safe_load_all(render(SETTINGS)["addons.yaml"]))
    by_kind = {addon["kind"]: addon for addon in addons}
    assert by_kind["Service"]["spec"]["clusterIP"] == "10.2.0.10"
    assert by_kind["EndpointSlice"]["endpoints"][0]["addresses"] == ["10.1.0.1"]
    assert "bind 10.1.0.1" in render(SETTINGS)["Corefile"]


def test_no_placeholder_is_left_in_any_file() -> None:
    for text in render(SETTINGS).values():
        assert not Template(text).get_identifiers()
