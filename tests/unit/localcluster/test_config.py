"""The configuration of a local cluster's components."""

import json
from string import Template

import yaml

from localcluster.config import render
from tests.unit.localcluster.samples import SETTINGS


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
