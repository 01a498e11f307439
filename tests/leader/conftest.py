"""Replicas of the reconciler on the shared cluster, where no other one runs meanwhile."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from tests.e2e.kube import eventually
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SYSTEM_NAMESPACE, SharedCluster

LEASE = ("lease", "devserver-reconciler", SYSTEM_NAMESPACE)
Replica = Callable[[], ReconcilerProcess]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/leader" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture
def replica(cluster: SharedCluster) -> Iterator[Replica]:
    """Makes reconcilers that do not run yet, each with a run directory of its own, which ends with the test."""
    made: list[ReconcilerProcess] = []

    def make() -> ReconcilerProcess:
        directory = Path(tempfile.mkdtemp(prefix="devserver-leader-", dir="/dev/shm"))
        environment = {
            **cluster.environment(),
            "DEVSERVER_RUN_DIR": str(directory / "run"),
            "DEVSERVER_LOG_FORMAT": "json",
            "DEVSERVER_HTTP_PORT": "0",
        }
        made.append(ReconcilerProcess(environment, directory / "log"))
        return made[-1]

    yield make
    for process in made:
        if process.alive:
            process.signal(signal.SIGCONT)
            process.stop()
        shutil.rmtree(process.log.parent)
    # For the next test not to wait until a killed leader's Lease runs out.
    cluster.kubectl("delete", *LEASE[:2], f"--namespace={SYSTEM_NAMESPACE}", "--ignore-not-found")


@pytest.fixture
def pair(replica: Replica) -> tuple[ReconcilerProcess, ReconcilerProcess]:
    """One that leads and one that stands by, of two that were started at the same time."""
    both = [replica(), replica()]
    for process in both:
        process.start(wait=False)
    for process in both:
        process.await_event("watching", timeout_s=90)
    leader = eventually(lambda: next((one for one in both if one.count('"leading"')), None), "one leads", 30)
    (standby,) = [one for one in both if one is not leader]
    return leader, standby


def when(process: ReconcilerProcess, event: str, timeout_s: float = 30) -> float:
    """When the process logged the event for the first time, by time.time()."""
    return datetime.fromisoformat(process.await_event(event, timeout_s)["timestamp"]).timestamp()


def started_by(process: ReconcilerProcess) -> list[psutil.Process]:
    """What a process that runs has started, but for its watchdog."""
    return [child for child in process.children() if not any("watchdog" in part for part in child.cmdline())]
