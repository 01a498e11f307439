"""The operator as it is installed: image, Deployment, roles, in a cluster of its own."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import container
import localcluster
import toolchain
from tests.e2e.kube import eventually
from tests.patience import PATIENTLY
from tests.shared_cluster import RECONCILER, ROOT, SYSTEM_NAMESPACE, SharedCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

# Two reconcilers must not work on one cluster, and other suites have theirs.
SETTINGS = localcluster.Settings(name="incluster")
NAMESPACE = "team"
CHILDREN = {
    "configmap/box-sshd",
    "secret/box-hostkeys",
    "service/box",
    "service/box-ssh",
    "statefulset.apps/box",
}


@pytest.fixture(scope="module")
def image() -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root: it builds an image and starts a cluster")
    return container.build()


@pytest.fixture(scope="module")
def operator(image: Path) -> Iterator[SharedCluster]:
    """A new cluster in which the operator has been installed as the README says."""
    localcluster.down(SETTINGS)
    admin = localcluster.up(SETTINGS).kubeconfig
    localcluster.load([image], SETTINGS)
    cluster = SharedCluster(admin, admin)
    for path in ("crds/manifests", "deploy/namespace.yaml", "deploy"):
        cluster.kubectl("apply", "--server-side", f"--filename={ROOT / path}")
    available = ("--for=condition=Available", f"deployment/{RECONCILER}", f"--namespace={SYSTEM_NAMESPACE}")
    cluster.kubectl("wait", *available, PATIENTLY)
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield cluster
    localcluster.down(SETTINGS)


@pytest.fixture
def devserver(operator: SharedCluster) -> Iterator[dict[str, Any]]:
    """A DevServer that is Ready, with a flavor of its own; removed afterwards."""
    operator.kubectl("apply", f"--filename={ROOT / 'examples/flavor.yaml'}")
    manifest = yaml.safe_load((ROOT / "examples/devserver.yaml").read_text())
    manifest["metadata"] = {"name": "box", "namespace": NAMESPACE}
    operator.apply(manifest)
    ready = ("--for=condition=Ready", "dvs/box", f"--namespace={NAMESPACE}", PATIENTLY)
    waited = operator.try_kubectl("wait", *ready)
    assert waited.returncode == 0, waited.stderr + log(operator)
    yield operator.get("dvs", "box", NAMESPACE) or {}
    operator.kubectl("delete", "dvs", "box", f"--namespace={NAMESPACE}", "--ignore-not-found", PATIENTLY)


def children(cluster: SharedCluster) -> set[str]:
    kinds = "configmap,secret,service,statefulset"
    selector = "--selector=devserver.io/name=box"
    return set(cluster.kubectl("get", kinds, selector, f"--namespace={NAMESPACE}", "--output=name").split())


def states(cluster: SharedCluster, uid: str) -> set[str]:
    names = cluster.kubectl("get", "secret", f"--namespace={SYSTEM_NAMESPACE}", "--output=name").split()
    return {name for name in names if uid in name}


PODS = f"--selector=app.kubernetes.io/name={RECONCILER}"


def log(cluster: SharedCluster) -> str:
    """What the operator's pods have said: JSON lines."""
    return cluster.kubectl("logs", PODS, "--tail=-1", f"--namespace={SYSTEM_NAMESPACE}")


def events(cluster: SharedCluster) -> list[str]:
    return [json.loads(line)["event"] for line in log(cluster).splitlines()]


def test_the_operator_makes_a_devserver_and_takes_it_away(
    operator: SharedCluster, devserver: dict[str, Any]
) -> None:
    uid = devserver["metadata"]["uid"]
    assert children(operator) == CHILDREN
    assert len(states(operator, uid)) == 1

    operator.kubectl("delete", "dvs", "box", f"--namespace={NAMESPACE}", PATIENTLY)
    assert children(operator) == set()
    assert states(operator, uid) == set()


def test_new_pods_of_the_operator_find_all_as_it_was_and_run_nothing(
    operator: SharedCluster, devserver: dict[str, Any]
) -> None:
    operator.kubectl("delete", "pod", PODS, f"--namespace={SYSTEM_NAMESPACE}", PATIENTLY)
    available = ("--for=condition=Available", f"deployment/{RECONCILER}", f"--namespace={SYSTEM_NAMESPACE}")
    operator.kubectl("wait", *available, PATIENTLY)
    eventually(lambda: "leading" in events(operator), "one of them leads")
    time.sleep(2)  # were there something to do, it would begin at once

    assert "run starts" not in events(operator)


def leader(cluster: SharedCluster) -> str:
    """The pod that leads; empty while none does."""
    lease = cluster.get("lease", RECONCILER, SYSTEM_NAMESPACE)
    assert lease is not None
    holder: str = lease["spec"].get("holderIdentity") or ""
    return holder.rpartition("_")[0]


def test_when_the_leading_pod_is_deleted_the_other_one_leads(
    operator: SharedCluster, devserver: dict[str, Any]
) -> None:
    names = operator.kubectl("get", "pod", PODS, f"--namespace={SYSTEM_NAMESPACE}", "--output=name").split()
    first = leader(operator)
    assert f"pod/{first}" in names
    operator.kubectl("delete", "pod", first, f"--namespace={SYSTEM_NAMESPACE}", "--wait=false")
    eventually(lambda: leader(operator) not in ("", first), "the other one takes over")
    operator.kubectl("delete", "dvs", "box", f"--namespace={NAMESPACE}", PATIENTLY)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("id -u", "10001"),
        ("cat /proc/1/comm", "tini"),
        ("touch /opt/devserver/app/x 2>/dev/null || echo read-only", "read-only"),
    ],
)
def test_the_operator_needs_neither_root_nor_a_writable_image(
    operator: SharedCluster, command: str, expected: str
) -> None:
    pod = (f"deployment/{RECONCILER}", f"--namespace={SYSTEM_NAMESPACE}")
    assert operator.kubectl("exec", *pod, "--", "sh", "-c", command).strip() == expected


def test_the_image_holds_the_pinned_tools(operator: SharedCluster) -> None:
    pod = (f"deployment/{RECONCILER}", f"--namespace={SYSTEM_NAMESPACE}")
    version = operator.kubectl("exec", *pod, "--", "pulumi", "version").strip()
    assert version == toolchain.binary("pulumi").resolve().parent.parent.name.partition("-")[0]
