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
Replica = Callable[..., ReconcilerProcess]
# Where nobody may have to wait until the Lease runs out.
LONG_LEASE = {"DEVSERVER_LEASE_DURATION_S": "300", "DEVSERVER_LEASE_RENEW_DEADLINE_S": "250"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/leader" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture
def replica(cluster: SharedCluster) -> Iterator[Replica]:
    """Makes reconcilers that do not run yet, each with a run directory of its own, which ends with the test.

    Settings of its own by keyword, as in the environment.
    """
    made: list[ReconcilerProcess] = []

    def make(**settings: str) -> ReconcilerProcess:
        directory = Path(tempfile.mkdtemp(prefix="devserver-leader-", dir="/dev/shm"))
        environment = {
            **cluster.environment(),
            "DEVSERVER_RUN_DIR": str(directory / "run"),
            "DEVSERVER_LOG_FORMAT": "json",
            "DEVSERVER_HTTP_PORT": "0",
            **settings,
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
def pair(replica: Replica, request: pytest.FixtureRequest) -> tuple[ReconcilerProcess, ReconcilerProcess]:
    """One that leads and one that stands by, of two that were started at the same time.

    With settings of a test's own, if it has any.
    """
    settings = getattr(request, "param", {})
    both = [replica(**settings), replica(**settings)]
    for process in both:
        process.start(wait=False)
    for process in both:
        process.await_event("watching")
    leader = eventually(lambda: next((one for one in both if one.count('"leading"')), None), "one leads")
    (standby,) = [one for one in both if one is not leader]
    return leader, standby


def when(process: ReconcilerProcess, event: str) -> float:
    """When the process logged the event for the first time, by time.time()."""
    return datetime.fromisoformat(process.await_event(event)["timestamp"]).timestamp()


def started_by(process: ReconcilerProcess) -> list[psutil.Process]:
    """What a process that runs has started, but for its watchdog."""
    return [child for child in process.children() if not any("watchdog" in part for part in child.cmdline())]
