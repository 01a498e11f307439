"""What the program of a DevServerFlavor declares."""

import re
from typing import Any

import pytest
import yaml

from stacks import flavor
from stacks.devserver import program as devserver
from stacks.flavor import DevServerFlavorChildren, DevServerFlavorInputs
from tests.builders import HOST_KEYS, devserver_inputs, flavor_inputs
from tests.declared import Declared, declared
from tests.shared_cluster import ROOT

PREWARM = {"images": ["debian:bookworm", "ubuntu:24.04"]}


def declare(inputs: DevServerFlavorInputs) -> Declared:
    return declared(flavor.program(inputs))


def test_a_flavor_with_nothing_to_prewarm_has_no_children() -> None:
    assert flavor.program(flavor_inputs()).declarations == ()


def test_images_to_prewarm_make_one_daemon_set() -> None:
    inputs = flavor_inputs(prewarm=PREWARM)
    (child,) = flavor.program(inputs).children
    (daemon_set,) = declare(inputs).values()
    assert child == DevServerFlavorChildren.of(inputs).prewarm
    assert (daemon_set.name, daemon_set.type) == ("prewarm", "kubernetes:apps/v1:DaemonSet")
    assert child.namespace == "devserver-system"
    assert daemon_set.metadata["ownerReferences"][0]["kind"] == "DevServerFlavor"


def pod(**spec: Any) -> dict[str, Any]:
    daemon_set = declare(flavor_inputs(prewarm=PREWARM, **spec))["prewarm"]
    found: dict[str, Any] = daemon_set.manifest["spec"]["template"]["spec"]
    return found


def test_each_image_is_pulled_by_an_init_container_of_its_own() -> None:
    assert [item["image"] for item in pod()["initContainers"]] == [
        "local/devserver-tools:1",
        *PREWARM["images"],
    ]


def test_the_images_run_nothing_of_their_own() -> None:
    for container in [*pod()["initContainers"], *pod()["containers"]]:
        assert container["command"][0] == "/opt/devserver/bin/busybox"


def test_images_are_pulled_where_the_flavors_pods_may_run() -> None:
    selector = {"kubernetes.io/arch": "amd64"}
    toleration = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    made = pod(nodeSelector=selector, tolerations=[toleration])
    assert made["nodeSelector"] == selector
    assert made["tolerations"] == [toleration]


# --- placeholders

ROOM = {"replicas": 3}


def placeholders(**spec: Any) -> dict[str, Any]:
    deployment = declare(flavor_inputs(prewarm=ROOM, **spec))["placeholders"]
    found: dict[str, Any] = deployment.manifest["spec"]
    return found


def placeholder(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = placeholders(**spec)["template"]["spec"]
    return found


def test_placeholders_are_a_deployment_of_as_many() -> None:
    inputs = flavor_inputs(prewarm=ROOM)
    (child,) = flavor.program(inputs).children
    (deployment,) = declare(inputs).values()
    assert child == DevServerFlavorChildren.of(inputs).placeholders
    assert (deployment.name, deployment.type) == ("placeholders", "kubernetes:apps/v1:Deployment")
    assert deployment.manifest["spec"]["replicas"] == 3


def test_images_and_placeholders_are_children_side_by_side() -> None:
    inputs = flavor_inputs(prewarm=PREWARM | ROOM)
    declared_objects = declare(inputs)
    assert set(declared_objects) == {"prewarm", "placeholders"}
    assert len(flavor.program(inputs).children) == 2


def test_placeholders_give_way_at_once_and_take_no_room_beside_their_successors() -> None:
    assert placeholder()["priorityClassName"] == "devserver-placeholder"
    assert placeholder()["terminationGracePeriodSeconds"] == 0
    assert placeholders()["strategy"] == {"type": "Recreate"}


def test_the_priority_class_of_placeholders_is_shipped() -> None:
    shipped = yaml.safe_load((ROOT / "deploy/priority.yaml").read_text())
    assert shipped["kind"] == "PriorityClass"
    assert shipped["metadata"]["name"] == flavor.PLACEHOLDER_PRIORITY
    assert shipped["value"] == -10
    assert shipped["preemptionPolicy"] == "Never"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "4Gi"}}},
        {"resources": {"limits": {"cpu": 2, "memory": "4Gi", "nvidia.com/gpu": 1}}},
        {"resources": {"requests": {"cpu": "1m"}}, "runtimeClassName": "kata"},
        {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}]},
    ],
    ids=["nothing", "requests and limits", "limits alone", "less than the tools ask", "placement"],
)
def test_a_placeholder_holds_the_room_of_a_devserver(spec: dict[str, Any]) -> None:
    stack = declared(devserver.program(devserver_inputs(flavor=spec), HOST_KEYS))
    real, held = stack["workload"].manifest["spec"]["template"]["spec"], placeholder(**spec)
    for containers in ("initContainers", "containers"):
        asked, holds = ([item["resources"] for item in pod[containers]] for pod in (real, held))
        assert holds == asked
    for field in ("nodeSelector", "runtimeClassName", "tolerations"):
        assert held.get(field) == real.get(field)


# --- names


def name_of(flavor_name: str) -> str:
    (child,) = flavor.program(flavor_inputs(flavor_name, prewarm=PREWARM)).children
    return child.name


@pytest.mark.parametrize(
    ("flavor_name", "name"),
    [
        ("gpu", "prewarm-gpu"),
        ("gpu.a100", "prewarm-gpu.a100"),
        ("a" * 40, "prewarm-" + "a" * 40),
        ("a" * 41, "prewarm-" + "a" * 31 + "-c0f8bd4d"),
        ("b" * 30 + "." + "c" * 30, "prewarm-" + "b" * 30 + "-3545ec27"),
    ],
    ids=["short", "dotted", "longest uncut", "cut", "cut at a dot"],
)
def test_the_daemon_sets_name_is_that_of_the_flavor_cut_to_fit_a_label(flavor_name: str, name: str) -> None:
    assert name_of(flavor_name) == name
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name)


def test_cut_names_stay_apart() -> None:
    assert name_of("a" * 60) != name_of("a" * 61)


def test_the_selector_and_the_pods_labels_hold_the_daemon_sets_name() -> None:
    spec = declare(flavor_inputs("a" * 60, prewarm=PREWARM))["prewarm"].manifest["spec"]
    selector = spec["selector"]["matchLabels"]
    assert selector == {"devserver.io/prewarm": name_of("a" * 60)}
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()
    assert "devserver.io/name" not in spec["template"]["metadata"]["labels"]
