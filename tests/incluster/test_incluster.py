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
from tests.shared_cluster import RECONCILER, ROOT, SYSTEM_NAMESPACE, SharedCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

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
    cluster.kubectl("wait", *available, "--timeout=80s")
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
    ready = ("--for=condition=Ready", "dvs/box", f"--namespace={NAMESPACE}", "--timeout=80s")
    waited = operator.try_kubectl("wait", *ready)
    assert waited.returncode == 0, waited.stderr + log(operator)
    yield operator.get("dvs", "box", NAMESPACE) or {}
    operator.kubectl(
        "delete", "dvs", "box", f"--namespace={NAMESPACE}", "--ignore-not-found", "--timeout=60s"
    )


def children(cluster: SharedCluster) -> set[str]:
    kinds = "configmap,secret,service,statefulset"
    selector = "--selector=devserver.io/name=box"
    return set(cluster.kubectl("get", kinds, selector, f"--namespace={NAMESPACE}", "--output=name").split())


def states(cluster: SharedCluster, uid: str) -> set[str]:
    names = cluster.kubectl("get", "secret", f"--namespace={SYSTEM_NAMESPACE}", "--output=name").split()
    return {name for name in names if uid in name}


def log(cluster: SharedCluster) -> str:
    """What the operator's pod has said: JSON lines."""
    return cluster.kubectl("logs", f"deployment/{RECONCILER}", f"--namespace={SYSTEM_NAMESPACE}")


def events(cluster: SharedCluster) -> list[str]:
    return [json.loads(line)["event"] for line in log(cluster).splitlines()]


def test_the_operator_makes_a_devserver_and_takes_it_away(
    operator: SharedCluster, devserver: dict[str, Any]
) -> None:
    uid = devserver["metadata"]["uid"]
    assert children(operator) == CHILDREN
    assert len(states(operator, uid)) == 1

    operator.kubectl("delete", "dvs", "box", f"--namespace={NAMESPACE}", "--timeout=60s")
    assert children(operator) == set()
    assert states(operator, uid) == set()


def test_a_new_pod_of_the_operator_finds_all_as_it_was_and_runs_nothing(
    operator: SharedCluster, devserver: dict[str, Any]
) -> None:
    pods = f"--selector=app.kubernetes.io/name={RECONCILER}"
    operator.kubectl("delete", "pod", pods, f"--namespace={SYSTEM_NAMESPACE}", "--timeout=60s")
    available = ("--for=condition=Available", f"deployment/{RECONCILER}", f"--namespace={SYSTEM_NAMESPACE}")
    operator.kubectl("wait", *available, "--timeout=80s")
    deadline = time.monotonic() + 30
    while "watching" not in events(operator) and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(2)  # were there something to do, it would begin at once

    assert "watching" in events(operator)
    assert "run starts" not in events(operator)


@pytest.mark.parametrize(
    ("command", "expected"),
    [("id -u", "10001"), ("touch /opt/devserver/app/x 2>/dev/null || echo read-only", "read-only")],
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
