"""A running reconciler under its own identity, and a namespace for each test."""

import os
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.kube import Kube
from tests.e2e.people import Person
from tests.patience import PATIENTLY
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SharedCluster

FLAVOR = {
    "apiVersion": "devserver.io/v1",
    "kind": "DevServerFlavor",
    "metadata": {"name": "tiny"},
    "spec": {
        "default": True,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}},
    },
}


@pytest.fixture(scope="module")
def reconciler(
    cluster: SharedCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReconcilerProcess]:
    """The one reconciler of a module: it must not lead in other suites. A test that stops it starts it again."""
    directory = tmp_path_factory.mktemp("reconciler")
    environment = {
        **cluster.environment(),
        "DEVSERVER_RUN_DIR": f"/dev/shm/devserver-e2e-{os.getpid()}",
        "DEVSERVER_LOG_FORMAT": "console",
    }
    process = ReconcilerProcess(environment, directory / "log")
    process.start()
    yield process
    process.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the reconciler logged during it."""
    report = yield
    process = item.funcargs.get("reconciler") if isinstance(item, pytest.Function) else None
    if report.failed and isinstance(process, ReconcilerProcess) and process.log.exists():
        report.sections.append(("reconciler log", "\n".join(process.log.read_text().splitlines()[-40:])))
    return report


@pytest.fixture(scope="session")
def kube(cluster: SharedCluster) -> Kube:
    return Kube(cluster.admin)


@contextmanager
def new_namespace(kube: Kube) -> Iterator[Kube]:
    """kubectl bound to a fresh namespace, with a default flavor in the cluster. A reconciler must run."""
    kube.apply(FLAVOR)
    name = f"t-{time.time_ns():x}"
    kube("create", "namespace", name)
    bound = Kube(kube.kubeconfig, name)
    yield bound
    bound("delete", "devservers", "--all", PATIENTLY)
    bound("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespace(kube: Kube, reconciler: ReconcilerProcess) -> Iterator[Kube]:
    """A namespace of the test's own."""
    with new_namespace(kube) as bound:
        yield bound


@pytest.fixture
def person(kube: Kube, namespace: Kube, tmp_path: Path) -> Iterator[Person]:
    """Someone new; nothing of them is left afterwards."""
    name = f"u-{secrets.token_hex(4)}"
    yield Person(name, Kube(kube.kubeconfig, f"dev-{name}"), tmp_path)
    kube("delete", "dvsu", "--ignore-not-found", PATIENTLY, name, f"{name}-too")
    bound = Kube(kube.kubeconfig, f"dev-{name}")
    bound("delete", "devservers", "--all", PATIENTLY)
    kube("delete", "namespace", f"dev-{name}", "--ignore-not-found", "--wait=false")
