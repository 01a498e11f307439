"""The operator of today on an API server that goes on where a recording ends."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.clock import WallClock
from tests.e2e.kube import eventually
from tests.faults.harness import Operator
from tests.monitoring import Server
from tests.shared_cluster import SharedCluster
from tests.upgrade import recording
from tests.upgrade.control_plane import restored
from tests.upgrade.expected import EXPECTED_RUNS
from tests.upgrade.objects import Objects, all_objects, resources
from tests.upgrade.recording import Recording

_REST_S = 300
# A flavor is looked at once in two seconds at most, and what it says then is written.
_QUIET_S = 5
_PASSES = "controller_runtime_reconcile_total"


@dataclass(frozen=True)
class Start:
    """What one start of the operator did until nothing was left to do, or until a run that was not expected.

    runs: the resources that had an engine run, once for each. failures: lines of the log about passes that failed.
    figures: metrics by name, summed up over their labels.
    writes: methods and paths of its requests, but for those of its Lease. objects: as they are then.
    """

    began: datetime
    runs: list[str]
    failures: list[dict[str, Any]]
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


@contextmanager
def operator_of(cluster: SharedCluster, recorded: Recording, directory: Path) -> Iterator[Operator]:
    """The operator of today with the recording's settings and clock. It does not run yet.

    The API server that it sees has that clock, too. directory: for its log, and the clock's file.
    """
    ahead_s = round((recorded.time - datetime.now(UTC)).total_seconds())
    clock = WallClock(directory)
    clock.move(ahead_s)
    operator = Operator.make(cluster, variables={**recorded.settings, **clock.variables})
    operator.log = directory / "operator.log"
    operator.proxy.clock_ahead_s = ahead_s
    try:
        yield operator
    finally:
        operator.close()


def start(operator: Operator, cluster: SharedCluster, expected: frozenset[str]) -> Start:
    """Start it, wait until each resource had a pass and nothing is left to do, and stop it.

    expected: resources that may have a run.
    """
    operator.proxy.reset()
    earlier_lines = len(operator.events())
    operator.start()
    server, passes = Server.of(operator), len(resources(all_objects(cluster)))
    quiet_since, written = time.monotonic(), 0

    def lines() -> list[dict[str, Any]]:
        return operator.events()[earlier_lines:]

    def runs() -> list[str]:
        return [line["resource"] for line in lines() if line["event"] in ("run starts", "destroy starts")]

    def is_done() -> bool:
        nonlocal quiet_since, written
        now_written = len(operator.proxy.writes())
        if now_written != written or not server.is_idle() or _totals(server)[_PASSES] < passes:
            quiet_since, written = time.monotonic(), now_written
        return time.monotonic() - quiet_since > _QUIET_S or not expected.issuperset(runs())

    eventually(is_done, "nothing is left to do", _REST_S)
    made = Start(
        began=datetime.fromisoformat(lines()[0]["timestamp"]),
        runs=runs(),
        failures=[line for line in lines() if line["event"] in ("pass failed", "status not written")],
        figures=_totals(server),
        writes=[f"{write.method} {write.path}" for write in operator.proxy.writes()],
        objects=all_objects(cluster),
    )
    assert operator.stop() == 0
    return made


def _totals(server: Server) -> dict[str, float]:
    """Metrics by name, summed up over their labels."""
    totals: defaultdict[str, float] = defaultdict(float)
    for (name, _), value in server.figures().items():
        totals[name] += value
    return totals


@pytest.fixture(scope="module", params=recording.names())
def recorded(request: pytest.FixtureRequest) -> Recording:
    return Recording.load(request.param)


@pytest.fixture(scope="module")
def takeover(recorded: Recording, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Takeover]:
    """What the operator of today made of the recording, which nothing else changes."""
    directory = tmp_path_factory.mktemp("upgrade")
    with (
        restored(recorded, directory) as cluster,
        operator_of(cluster, recorded, directory) as operator,
    ):
        before = all_objects(cluster)
        first = start(operator, cluster, EXPECTED_RUNS[recorded.version])
        yield Takeover(operator.log, before, first, second=start(operator, cluster, frozenset()))
