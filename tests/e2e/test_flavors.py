"""Flavors on a cluster: room for their pods, the default one, changing and deleting one in use, placeholders."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kube import Kube, SshKey, condition, devserver, eventually
from tests.faults.kubeapi import Api
from tests.flavors.cases import CASE, GPU, Node, Pod, container
from tests.flavors.fake_nodes import create_pods, delete_pods, fake_nodes
from tests.patience import PATIENCE_S, PATIENTLY
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SharedCluster

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
SLOT = "devserver.test/slot"
SYSTEM = "devserver-system"


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    return SshKey.make(tmp_path)


@pytest.fixture(scope="module")
def api(cluster: SharedCluster) -> Iterator[Api]:
    found = Api(cluster.admin)
    yield found
    found.close()


@pytest.fixture
def flavors(kube: Kube, namespace: Kube) -> Iterator[str]:
    """A prefix for the names of a test's flavors, which are removed afterwards."""
    yield namespace.namespace
    mine = [name for name in kube.names("dvsf") if f"/{namespace.namespace}-" in name]
    if mine:
        kube("delete", *mine, PATIENTLY)


def flavor(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServerFlavor",
        "metadata": {"name": name},
        "spec": spec,
    }


def says(kube: Kube, name: str, answer: str, reason: str, part: str = "") -> Object:
    """Wait until the flavor says so; returns its status."""

    def said() -> Object | None:
        found = kube.get("dvsf", name) or {}
        stated = condition(found, "Schedulable")
        status: Object = found.get("status", {})
        fits = (status.get("schedulable"), stated.get("reason")) == (answer, reason)
        return status if fits and part in stated["message"] else None

    return eventually(said, f"{name} says {answer}, {reason}: {part}")


# --- room

POOL = {
    "apiVersion": "karpenter.sh/v1",
    "kind": "NodePool",
    "metadata": {"name": "test-pool"},
    "spec": {"template": {"spec": {"requirements": [{"key": CASE, "operator": "In", "values": ["e2e"]}]}}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
# What Karpenter's own looks like to who only reads it.
NODE_POOLS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "nodepools.karpenter.sh"},
    "spec": {
        "group": "karpenter.sh",
        "scope": "Cluster",
        "names": {"kind": "NodePool", "plural": "nodepools", "singular": "nodepool"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


def test_a_flavor_says_whether_its_pods_find_room_as_things_change(
    namespace: Kube, kube: Kube, api: Api, flavors: str, reconciler: ReconcilerProcess
) -> None:
    name = f"{flavors}-gpu"
    kube.apply(flavor(name, resources={"limits": {GPU: 1}}, nodeSelector={CASE: "e2e"}))
    says(kube, name, "No", "NoNodeFits", f"without {CASE}=e2e")
    runs = reconciler.runs(name)
    with fake_nodes(api, [Node({GPU: 1}).manifest("e2e", "e2e")]):
        assert says(kube, name, "Yes", "NodesFit", "1 of 2 nodes has room")["fittingNodes"] == 1
        held = Pod(spec={"containers": [container("main", **{GPU: "1"})]})
        assert create_pods(api, namespace.namespace, [held.manifest("held", "e2e")]) == {}
        says(kube, name, "No", "NoNodeFits", f"No node with {GPU} free: 0 of 2; 1 in use, 1 without")
        delete_pods(api, namespace.namespace)
        says(kube, name, "Yes", "NodesFit")
        kube("cordon", "e2e")
        says(kube, name, "No", "NoNodeFits", "1 cordoned")
        try:
            kube.apply(NODE_POOLS)
            kube("wait", "--for=condition=Established", PATIENTLY, "crd/nodepools.karpenter.sh")
            kube.apply(POOL)
            says(kube, name, "AUTOSCALED", "NodePoolMayFit", "NodePool test-pool may bring one")
            kube(
                "patch", "nodepool", "test-pool", "--type=merge", "-p", '{"spec":{"limits":{"nodes":"some"}}}'
            )
            says(
                kube,
                name,
                "Unknown",
                "UnreadableQuantity",
                "NodePool test-pool: nodes: 'some' is not a quantity",
            )
            kube("delete", "nodepool", "test-pool")
            says(kube, name, "No", "NoNodeFits")
        finally:
            kube("delete", "crd", "nodepools.karpenter.sh", "--ignore-not-found")
        says(kube, name, "No", "NoNodeFits", "1 cordoned")
    says(kube, name, "No", "NoNodeFits", "0 of 1")
    assert reconciler.runs(name) == runs, "none of this is a matter of a run"
    kube("wait", "--for=condition=Schedulable=False", f"dvsf/{name}", PATIENTLY)


def test_events_of_200_pods_cause_few_looks_and_no_run(
    namespace: Kube, kube: Kube, api: Api, flavors: str, reconciler: ReconcilerProcess
) -> None:
    name = f"{flavors}-busy"
    kube.apply(flavor(name, resources={"limits": {GPU: 200}}, nodeSelector={CASE: "e2e"}))
    says(kube, name, "No", "NoNodeFits")
    with fake_nodes(api, [Node({GPU: 200, "pods": 300, "cpu": 300}).manifest("e2e", "e2e")]):
        says(kube, name, "Yes", "NodesFit")
        runs, before, began = reconciler.runs(name), looks(reconciler), time.monotonic()
        pods = [Pod("1m").manifest(f"held-{index}", "e2e") for index in range(199)]
        pods.append(Pod(spec={"containers": [container("main", **{GPU: "1"})]}).manifest("last", "e2e"))
        create_pods(api, namespace.namespace, pods)
        says(kube, name, "No", "NoNodeFits", "1 in use")
        delete_pods(api, namespace.namespace)
        says(kube, name, "Yes", "NodesFit")
        counted, took_s = looks(reconciler) - before, time.monotonic() - began
    print(f"400 events of pods in {took_s:.1f} s: {counted} looks at {len(kube.names('dvsf'))} flavors")
    assert 2 <= counted <= len(kube.names("dvsf")) * (took_s / 2 + 1)
    assert reconciler.runs(name) == runs


def looks(reconciler: ReconcilerProcess) -> float:
    """How often the reconciler has looked at a flavor, by its metrics."""
    *_, port = re.findall(r"serving +port=([0-9]+)", reconciler.log.read_text())
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith("devserver_schedulable_looks_total "))
    return float(line.split()[1])


# --- the default flavor


@pytest.fixture
def no_default(kube: Kube, namespace: Kube) -> Iterator[None]:
    """Nothing that other tests left is a default flavor meanwhile."""
    listed = json.loads(kube("get", "dvsf", "-o", "json"))["items"]
    names = [item["metadata"]["name"] for item in listed if item["spec"].get("default")]
    for name in names:
        kube.patch("dvsf", name, {"default": False})
    yield
    for name in names:
        kube.patch("dvsf", name, {"default": True})


def default_reason(kube: Kube, name: str, reason: str) -> None:
    eventually(
        lambda: kube.condition("dvsf", name, "DefaultFlavor").get("reason") == reason, f"{name}: {reason}"
    )


def warnings_about(kube: Kube, name: str) -> list[str]:
    """Reasons of the Warnings about an object."""
    events = json.loads(kube("get", "events.events.k8s.io", "--all-namespaces", "-o", "json"))["items"]
    about = [event for event in events if event["regarding"]["name"] == name and event["type"] == "Warning"]
    return [event["reason"] for event in about]


def flavor_of(namespace: Kube, name: str, expected: str) -> None:
    eventually(
        lambda: (namespace.get("dvs", name) or {}).get("status", {}).get("flavor") == expected,
        f"{name} takes {expected}",
    )


def test_the_oldest_default_wins_and_the_next_one_is_promoted(
    kube: Kube, namespace: Kube, key: SshKey, flavors: str, no_default: None
) -> None:
    first, second = f"{flavors}-a", f"{flavors}-b"
    kube.apply(flavor(first, default=True))
    kube.apply(flavor(second, default=True))
    default_reason(kube, first, "OldestDefault")
    default_reason(kube, second, "OlderDefaultExists")
    assert first in kube.condition("dvsf", second, "DefaultFlavor")["message"]
    told = eventually(lambda: warnings_about(kube, second), "there is an Event")
    assert told == ["OlderDefaultExists"]
    namespace.apply(devserver("box", key))
    flavor_of(namespace, "box", first)

    kube.patch("dvsf", first, {"default": False})
    default_reason(kube, second, "OldestDefault")
    assert kube.condition("dvsf", first, "DefaultFlavor") == {}
    flavor_of(namespace, "box", second)
    kube.patch("dvsf", first, {"default": True})
    flavor_of(namespace, "box", first)
    kube("delete", "dvsf", first, PATIENTLY)
    default_reason(kube, second, "OldestDefault")
    flavor_of(namespace, "box", second)

    kube.patch("dvsf", second, {"default": False})
    namespace.apply(devserver("late", key))
    for name in ("box", "late"):
        waits = eventually(lambda name=name: namespace.condition("dvs", name, "Reconciling"), "it waits")  # type: ignore[misc]
        assert waits["reason"] == "NoDefaultFlavor"
    kube.patch("dvsf", second, {"default": True})
    flavor_of(namespace, "late", second)
    namespace.wait_applied("late")


# --- changing and deleting one in use


def counts(kube: Kube, name: str, devservers: int, pending: int) -> None:
    def counted() -> bool:
        status = (kube.get("dvsf", name) or {}).get("status", {})
        return (status.get("devServers"), status.get("pendingRestarts")) == (devservers, pending)

    eventually(counted, f"{name} counts {devservers} DevServers, {pending} to be restarted")


def test_a_flavor_reaches_the_pod_counts_its_users_and_may_be_deleted_under_them(
    kube: Kube, namespace: Kube, key: SshKey, flavors: str
) -> None:
    name = f"{flavors}-full"
    manifest = flavor(
        name,
        resources={"requests": {"cpu": "10m", "memory": "32Mi"}},
        runtimeClassName=flavors,
        shmSize="48Mi",
        volumes=[{"claimName": "data", "mountPath": "/data"}],
    )
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": flavors}}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    kube.apply(manifest)
    says(kube, name, "No", "PodRefused", f"there is no RuntimeClass {flavors}")
    kube.apply({**runtime, "handler": "runc"})
    says(kube, name, "Yes", "NodesFit")
    namespace.apply(claim)
    namespace.apply(devserver("box", key, flavor=name, running=True))
    namespace.wait_ready("dvs", "box")
    pod = namespace.get("pod", "box-0") or {}
    assert pod["spec"]["runtimeClassName"] == flavors
    mounted = namespace("exec", "box-0", "-c", "devserver", "--", "df", "-m", "/dev/shm", "/data")
    assert mounted.splitlines()[1].split()[1] == "48"
    assert mounted.splitlines()[2].split()[-1] == "/data"
    counts(kube, name, 1, 0)

    kube.patch("dvsf", name, {"shmSize": "64Mi"})
    eventually(lambda: namespace.condition("dvs", "box", "RestartPending"), "the pod waits for a restart")
    counts(kube, name, 1, 1)

    kube("delete", "dvsf", name, PATIENTLY)
    waits = eventually(lambda: namespace.condition("dvs", "box", "Reconciling"), "it says so")
    assert waits["reason"] == "FlavorNotFound"
    assert f"stays as flavor '{name}' defined it" in waits["message"]
    assert namespace.condition("dvs", "box", "Ready")["status"] == "True"
    assert (namespace.get("pod", "box-0") or {})["metadata"]["uid"] == pod["metadata"]["uid"]

    kube.apply(manifest)
    eventually(lambda: not namespace.condition("dvs", "box", "Reconciling"), "it goes on")
    counts(kube, name, 1, 0)
    namespace("delete", "dvs", "box", PATIENTLY)
    counts(kube, name, 0, 0)
    kube("delete", "runtimeclass", flavors)


# --- placeholders


@pytest.fixture
def slot(kube: Kube) -> Iterator[None]:
    """The cluster's own node has one slot, which is an extended resource."""
    (node,) = kube.names("node")

    def patch(amount: str | None) -> None:
        status = {"status": {field: {SLOT: amount} for field in ("capacity", "allocatable")}}
        kube("patch", node, "--subresource=status", "--type=merge", "-p", json.dumps(status))

    patch("1")
    yield
    patch(None)


def test_placeholders_give_way_when_a_devserver_needs_the_room(
    kube: Kube, namespace: Kube, key: SshKey, flavors: str, slot: None
) -> None:
    name = f"{flavors}-warm"
    system = Kube(kube.kubeconfig, SYSTEM)

    def placeholder(phase: str) -> Object | None:
        listed = system("get", "pods", "-l", f"devserver.io/placeholder=placeholder-{name}", "-o", "json")
        pods = json.loads(listed)["items"]
        return pods[0] if len(pods) == 1 and pods[0]["status"]["phase"] == phase else None

    requests = {"cpu": "10m", "memory": "32Mi"}
    kube.apply(flavor(name, resources={"requests": requests, "limits": {SLOT: 1}}, prewarm={"replicas": 1}))
    before = eventually(lambda: placeholder("Running"), "the placeholder runs")
    assert before["spec"]["priority"] == -10
    says(kube, name, "Yes", "LowerPriorityGivesWay")

    namespace.apply(devserver("box", key, flavor=name, running=True))
    namespace.wait_ready("dvs", "box")
    after = eventually(lambda: placeholder("Pending"), "another placeholder waits for room")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    says(kube, name, "No", "NoNodeFits", f"No node with {SLOT} free: 0 of 1; 1 in use")

    namespace("delete", "dvs", "box", PATIENTLY)
    eventually(lambda: placeholder("Running"), "the room is held again")
    kube("delete", "dvsf", name, PATIENTLY)
    assert system.get("deployment", f"placeholder-{name}") is None
