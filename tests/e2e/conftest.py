"""A running reconciler under its own identity, and a namespace for each test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.kube import Kube, eventually
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


@dataclass
class ReconcilerProcess:
    """`python -m reconciler` as a process of its own; its log is one file over restarts."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        watching = self.count("watching")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reconciler"], env=self.environment, stdout=log, stderr=log
            )
        eventually(lambda: self.count("watching") > watching, what="the reconciler watches", timeout_s=60)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def count(self, text: str) -> int:
        """How often a line of the log holds the text."""
        return self.log.read_text().count(text) if self.log.exists() else 0

    def runs(self, name: str) -> int:
        """How many engine runs the resource of that name had."""
        lines = self.log.read_text().splitlines()
        return sum("run starts" in line and f"/{name}" in line for line in lines)


@pytest.fixture(scope="session")
def reconciler(
    cluster: SharedCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReconcilerProcess]:
    """The one reconciler of the session. A test that stops it starts it again."""
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


@pytest.fixture
def namespace(kube: Kube, reconciler: ReconcilerProcess, request: pytest.FixtureRequest) -> Iterator[Kube]:
    """kubectl bound to a fresh namespace, with a default flavor in the cluster."""
    kube.apply(FLAVOR)
    name = f"t-{time.time_ns():x}"
    kube("create", "namespace", name)
    bound = Kube(kube.kubeconfig, name)
    yield bound
    bound("delete", "devservers", "--all", "--timeout=60s")
    bound("delete", "namespace", name, "--wait=false")
