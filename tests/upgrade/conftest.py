"""The operator of today on an API server that goes on where a recording ends."""

import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.clock import WallClock
from tests.e2e.kube import eventually
from tests.faults.proxy import Proxy
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SharedCluster
from tests.upgrade import recording
from tests.upgrade.control_plane import restored
from tests.upgrade.expected import EXPECTED_RUNS
from tests.upgrade.objects import Objects, all_objects
from tests.upgrade.recording import Recording

_START_S = 180
_REST_S = 300
# A flavor is looked at once in two seconds at most, and what it says then is written.
_QUIET_S = 5


@dataclass(frozen=True)
class Start:
    """What one start of the operator did until nothing was left to do, or until a run that was not expected.

    runs: the resources that had an engine run, once for each. figures: metrics by name, summed up over their labels.
    writes: methods and paths of its requests, but for those of its Lease. objects: as they are then.
    """

    began: datetime
    runs: list[str]
    figures: dict[str, float]
    writes: list[str]
    objects: Objects


@dataclass(frozen=True)
class Takeover:
    """before: the recorded objects. first, second: two starts of the operator of today, whose log this is."""

    log: Path
    before: Objects
    first: Start
    second: Start


@dataclass
class Operator:
    """The operator of today, which has the recording's clock, and so has the API server that it sees."""

    cluster: SharedCluster
    process: ReconcilerProcess
    proxy: Proxy

    @classmethod
    @contextmanager
    def make(cls, cluster: SharedCluster, recorded: Recording, directory: Path) -> Iterator["Operator"]:
        """One that does not run yet, with the recording's settings. directory: for its log and other files."""
        ahead_s = round((recorded.time - datetime.now(UTC)).total_seconds())
        clock = WallClock(directory)
        clock.move(ahead_s)
        with (
            tempfile.TemporaryDirectory(prefix="devserver-upgrade-", dir="/dev/shm") as run_dir,
            closing(Proxy(cluster.reconciler, directory)) as proxy,
        ):
            proxy.clock_ahead_s = ahead_s
            environment = {
                **cluster.environment(),
                **recorded.settings,
                **clock.variables,
                "KUBECONFIG": str(proxy.kubeconfig),
                "DEVSERVER_RUN_DIR": run_dir,
                "DEVSERVER_LOG_FORMAT": "json",
            }
            operator = cls(cluster, ReconcilerProcess(environment, directory / "operator.log"), proxy)
            try:
                yield operator
            finally:
                if operator.process.alive:
                    operator.process.stop()

    def start(self, expected: frozenset[str]) -> Start:
        """Start it, wait and stop it. expected: resources that may have a run."""
        self.proxy.reset()
        earlier_lines = len(self.process.events())
        self.process.start()
        quiet_since, written = time.monotonic(), 0

        def is_done() -> bool:
            nonlocal quiet_since, written
            now_written = len(self.proxy.writes())
            if now_written != written or self._is_busy():
                quiet_since, written = time.monotonic(), now_written
            return time.monotonic() - quiet_since > _QUIET_S or not expected.issuperset(
                self._runs(earlier_lines)
            )

        eventually(is_done, "nothing is left to do", _REST_S)
        start = Start(
            began=datetime.fromisoformat(self.process.events()[earlier_lines]["timestamp"]),
            runs=self._runs(earlier_lines),
            figures=self._figures(),
            writes=[f"{write.method} {write.path}" for write in self.proxy.writes()],
            objects=all_objects(self.cluster),
        )
        assert self.process.stop() == 0
        return start

    def _runs(self, earlier_lines: int) -> list[str]:
        lines = self.process.events()[earlier_lines:]
        return [line["resource"] for line in lines if line["event"] in ("run starts", "destroy starts")]

    def _is_busy(self) -> bool:
        figures = self._figures()
        return bool(figures["workqueue_depth"] or figures["controller_runtime_active_workers"])

    def _figures(self) -> dict[str, float]:
        port = [line["port"] for line in self.process.events() if line["event"] == "serving"][-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        figures: dict[str, float] = {}
        for sample in (sample for family in families for sample in family.samples):
            figures[sample.name] = figures.get(sample.name, 0) + sample.value
        return figures


@pytest.fixture(scope="module", params=recording.names())
def recorded(request: pytest.FixtureRequest) -> Recording:
    return Recording.load(request.param)


@pytest.fixture(scope="module")
def takeover(recorded: Recording, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Takeover]:
    """What the operator of today made of the recording, which nothing else changes."""
    directory = tmp_path_factory.mktemp("upgrade")
    with (
        restored(recorded, directory) as cluster,
        Operator.make(cluster, recorded, directory) as operator,
    ):
        before = all_objects(cluster)
        first = operator.start(EXPECTED_RUNS[recorded.version])
        yield Takeover(operator.process.log, before, first, second=operator.start(frozenset()))
