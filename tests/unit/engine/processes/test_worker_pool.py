"""Workers and their pool, with a stand-in for the program: replacement, deadlines, deaths."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from reconciler.engine.processes.result import CommandOutput, EngineDiedError, RunKilledError
from reconciler.engine.processes.worker import Worker
from reconciler.engine.processes.worker_pool import WorkerLimits, WorkerPool
from tests.metering import Growth
from tests.patience import PATIENCE_S

FAKE = Path(__file__).with_name("fake_worker.py")


class Started:
    """Starts workers, and remembers them."""

    def __init__(self, command: Path) -> None:
        self._command = command
        self.workers: list[Worker] = []

    def __call__(self) -> Worker:
        self.workers.append(Worker(self._command, {}))
        return self.workers[-1]

    @property
    def alive(self) -> set[int]:
        return {worker.pid for worker in self.workers if psutil.pid_exists(worker.pid)}


MakePool = Callable[..., WorkerPool]


@pytest.fixture
def started(tmp_path: Path) -> Started:
    command = tmp_path / "pulumi-engine-worker"
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -S {FAKE}\n")
    command.chmod(0o755)
    return Started(command)


@pytest.fixture
def make_pool(started: Started) -> Iterator[MakePool]:
    pools = []

    def make(max_runs: int = 100, now: Callable[[], float] = time.monotonic) -> WorkerPool:
        pools.append(WorkerPool(started, WorkerLimits(max_runs, max_rss_mb=400, idle_s=60), now))
        return pools[-1]

    yield make
    for pool in pools:
        pool.stop()
    assert started.alive == set()


def run(
    pool: WorkerPool, cwd: Path, command: str = "work", deadline_s: float = PATIENCE_S, **env: str
) -> CommandOutput:
    with pool.lease() as worker:
        return worker.run([command], str(cwd), env, deadline_s)


def pid_of(result: CommandOutput) -> int:
    return int(result.stdout.split()[0])


def test_one_worker_serves_run_after_run(make_pool: MakePool, started: Started, tmp_path: Path) -> None:
    pool = make_pool()
    pids = {pid_of(run(pool, tmp_path)) for _ in range(5)}
    assert pids == started.alive
    assert len(pids) == 1


def test_a_failure_of_the_run_is_a_result(make_pool: MakePool, tmp_path: Path) -> None:
    result = run(make_pool(), tmp_path, "fail")
    assert (result.code, result.stderr) == (1, "what went wrong\n")


def test_each_run_brings_its_own_environment(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool()
    assert run(pool, tmp_path, NAME="one").stdout.endswith(" one")
    assert run(pool, tmp_path).stdout.endswith(" ")


def test_runs_at_the_same_time_have_workers_of_their_own(
    make_pool: MakePool, started: Started, tmp_path: Path
) -> None:
    pool = make_pool()
    together = threading.Barrier(3)

    def one(name: str) -> int:
        directory = tmp_path / name
        directory.mkdir()
        with pool.lease() as worker:
            together.wait(PATIENCE_S)
            return pid_of(worker.run(["work"], str(directory), {}, PATIENCE_S))

    with ThreadPoolExecutor(3) as executor:
        assert len(set(executor.map(one, "abc"))) == 3
    assert len(started.alive) == 3


def test_a_worker_is_replaced_after_its_runs_and_the_next_one_is_started_before(
    make_pool: MakePool, started: Started, tmp_path: Path
) -> None:
    growth = Growth()
    pool = make_pool(max_runs=3)
    pids = []
    for number in range(9):
        with pool.lease() as worker:
            assert len(started.workers) == 1 + (number + 1) // 3
            pids.append(pid_of(worker.run(["work"], str(tmp_path), {}, PATIENCE_S)))
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]
    assert len(started.alive) == 1
    assert growth("devserver_engine_restarts_total", process="worker", reason="runs") == 3


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("panic", "panicked: what went wrong"),
        ("crash", "ended with exit code -9: what went wrong"),
    ],
)
def test_a_worker_that_died_in_a_run_is_replaced(
    make_pool: MakePool, started: Started, tmp_path: Path, command: str, said: str
) -> None:
    growth = Growth()
    pool = make_pool()
    (first,) = started.alive
    with pytest.raises(EngineDiedError, match=said):
        run(pool, tmp_path, command)
    assert pid_of(run(pool, tmp_path)) != first
    assert first not in started.alive
    assert growth("devserver_engine_restarts_total", process="worker", reason="failed") == 1


def test_a_run_past_its_deadline_is_killed(make_pool: MakePool, started: Started, tmp_path: Path) -> None:
    pool = make_pool()
    (first,) = started.alive
    with pytest.raises(RunKilledError, match=r"killed after 0\.5 s"):
        run(pool, tmp_path, "hang", deadline_s=0.5)
    assert first not in started.alive
    assert run(pool, tmp_path).code == 0


def test_a_worker_above_its_memory_is_replaced(make_pool: MakePool, started: Started, tmp_path: Path) -> None:
    growth = Growth()
    pool = make_pool()
    first = pid_of(run(pool, tmp_path, "grow"))
    assert pid_of(run(pool, tmp_path)) != first
    assert first not in started.alive
    assert growth("devserver_engine_restarts_total", process="worker", reason="memory") == 1


def test_a_worker_that_died_while_idle_is_not_lent(
    make_pool: MakePool, started: Started, tmp_path: Path
) -> None:
    growth = Growth()
    pool = make_pool()
    started.workers[0].kill()
    assert run(pool, tmp_path).code == 0
    assert growth("devserver_engine_restarts_total", process="worker", reason="died") == 1


def test_idle_workers_but_one_are_stopped(make_pool: MakePool, started: Started) -> None:
    clock = [0.0]
    pool = make_pool(now=lambda: clock[0])
    with pool.lease(), pool.lease(), pool.lease():
        pass
    assert len(started.alive) == 3
    clock[0] = 59.0
    pool.tidy()
    assert len(started.alive) == 3
    clock[0] = 61.0
    pool.tidy()
    assert len(started.alive) == 1


def test_a_pool_that_stops_keeps_no_worker(make_pool: MakePool, started: Started, tmp_path: Path) -> None:
    growth = Growth()
    pool = make_pool()
    with pool.lease():
        pool.stop()
    assert started.alive == set()
    assert growth("devserver_engine_restarts_total", process="worker", reason="failed") == 0


def test_workers_that_are_worn_together_have_one_successor_in_advance(
    make_pool: MakePool, started: Started, tmp_path: Path
) -> None:
    pool = make_pool(max_runs=2)
    for at_work in (3, 4):
        with pool.lease() as one, pool.lease() as two, pool.lease() as three:
            for worker in (one, two, three):
                worker.run(["work"], str(tmp_path), {}, PATIENCE_S)
            assert len(started.workers) == at_work
