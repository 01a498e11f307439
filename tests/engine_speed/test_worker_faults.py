"""Workers, providers and the reconciler are killed in the middle of runs."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from reconciler.engine.outcome import Outcome
from reconciler.engine.setup import open_engine
from reconciler.settings import Settings
from reconciler.status import reasons
from reconciler.status.errors import EngineFailedError
from tests.engine_speed.conftest import IGNORE_LEFTOVERS, Drive
from tests.engine_speed.driver import Driver, Stack, descendants, processes_of, worker_of
from tests.patience import HUNG_S, generous, until
from tests.shared_cluster import SharedCluster

pytestmark = [pytest.mark.cluster, IGNORE_LEFTOVERS]

PROVIDER = "pulumi-resource-kubernetes"
PROXY = "pulumi-provider-proxy"
WORKER = "pulumi-engine-worker"


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGKILL, "ended with exit code -9"), (signal.SIGABRT, "SIGABRT")],
    ids=["killed", "crashed"],
)
async def test_a_worker_that_dies_takes_one_run_along_and_is_replaced(
    drive: Drive, number: signal.Signals, said: str
) -> None:
    async with drive(engine_mode="worker") as driver:
        victim, *others = driver.make(4)
        run = await driver.start_endless(victim)
        beside = asyncio.create_task(driver.up_all(others))
        worker_of(victim).send_signal(number)

        lost = await run
        assert isinstance(lost.error, EngineFailedError)
        assert lost.error.reason == reasons.RUN_FAILED
        assert said in lost.error.message
        assert lost.checkpoint is None
        assert [outcome.error for outcome in await beside] == [None, None, None]
        assert (await driver.up(victim)).error is None
        assert driver.live() == {stack.owner.uid: stack.children for stack in driver.stacks}


async def test_a_worker_that_is_killed_takes_its_private_provider_along(drive: Drive, tmp_path: Path) -> None:
    async with drive(engine_mode="worker", provider_mode="private", worker_max_runs=1) as driver:
        (stack,) = driver.make()
        run = await driver.start_endless(stack)
        await until(lambda: bool(descendants(PROVIDER)))
        worker_of(stack).kill()
        assert (await run).error is not None
        assert not [process for process in processes_of(tmp_path / "run") if process.name() == PROVIDER[:15]]


@pytest.mark.full
async def test_hundred_runs_pass_through_workers_that_are_replaced(drive: Drive) -> None:
    async with drive(engine_mode="worker", worker_max_runs=10, concurrent_runs=3) as driver:
        stacks = driver.make(3)
        assert [outcome.error for outcome in await driver.up_all(stacks)] == [None] * 3
        seen: set[int] = set()
        for _ in range(40):
            outcomes = await driver.up_all(stacks)
            assert [outcome.error for outcome in outcomes] == [None] * 3
            seen |= {process.pid for process in descendants(WORKER)}
        assert len(seen) >= 12
        assert len(descendants(WORKER)) <= 4


@pytest.mark.full
@pytest.mark.parametrize("name", [PROVIDER, PROXY])
async def test_a_killed_shared_provider_fails_runs_in_flight_only_and_as_transient(
    drive: Drive, name: str
) -> None:
    async with drive(provider_mode="shared") as driver:
        stacks = driver.make(12)
        runs = asyncio.create_task(driver.up_all(stacks))
        await until(lambda: len(driver.live()) >= 2)
        for process in descendants(name):
            process.kill()
        failed = [outcome.error for outcome in await runs if outcome.error is not None]
        assert len(failed) <= driver.engine.concurrent_runs
        assert all(isinstance(error, EngineFailedError) for error in failed), failed
        assert [outcome.error for outcome in await driver.up_all(stacks)] == [None] * 12
        assert driver.live() == {stack.owner.uid: stack.children for stack in stacks}


@pytest.mark.full
async def test_a_hung_shared_provider_is_found_out(drive: Drive) -> None:
    async with drive(provider_mode="shared") as driver:
        (stack,) = driver.make()
        assert (await driver.up(stack)).error is None
        (provider,) = descendants(PROVIDER)
        provider.suspend()
        failed = await driver.up(stack, refresh=True)
        assert isinstance(failed.error, EngineFailedError), "long before the run's deadline"
        assert (await driver.up(stack, refresh=True)).error is None


@pytest.mark.full
async def test_replacing_the_provider_under_load_loses_no_run(drive: Drive) -> None:
    async with drive(provider_mode="shared", provider_max_runs=4) as driver:
        stacks = driver.make(24)
        seen: set[int] = set()
        runs = asyncio.create_task(_three_rounds(driver, stacks))
        while not runs.done():
            seen |= {process.pid for process in descendants(PROVIDER)}
            await asyncio.sleep(0.05)
        assert [outcome.error for outcome in await runs] == [None] * 72
        assert len(seen) >= 4
        await until(lambda: len(descendants(PROVIDER)) <= 1)


async def _three_rounds(driver: Driver, stacks: list[Stack]) -> list[Outcome]:
    return [outcome for _ in range(3) for outcome in await driver.up_all(stacks)]


@pytest.mark.full
async def test_a_stack_with_another_provider_configuration_is_served_by_a_provider_of_its_own(
    drive: Drive,
) -> None:
    async with drive(provider_mode="shared") as driver:
        usual, other = driver.make(2)
        other.cluster_id = "another-cluster"
        for _ in range(2):
            assert [outcome.error for outcome in await driver.up_all([usual, other])] == [None, None]
        assert (await driver.destroy(other)).error is None
        assert driver.live() == {usual.owner.uid: usual.children}
        await until(lambda: len(descendants(PROVIDER)) == 1)


@pytest.mark.full
async def test_idle_workers_and_the_provider_are_stopped_and_come_back(drive: Drive) -> None:
    # On a busy machine runs are slow, and would give their slots to others: with more workers then.
    async with drive(worker_idle_s=6, slow_run_s=HUNG_S) as driver:
        stacks = driver.make(6)
        await driver.up_all(stacks)
        assert len(descendants(WORKER)) == 3
        await until(lambda: len(descendants(WORKER)) == 1 and not descendants(PROVIDER))
        assert (await driver.up(stacks[0])).error is None


@pytest.mark.parametrize("provider_mode", ["shared", "private"])
@pytest.mark.parametrize("engine_mode", ["worker", "cli"])
def test_nothing_outlives_a_killed_reconciler(
    cluster: SharedCluster,
    tmp_path: Path,
    engine_mode: str,
    provider_mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_dir = tmp_path / "run"
    environment = cluster.environment()
    command = [sys.executable, "-m", "tests.engine_speed.endless", str(run_dir), engine_mode, provider_mode]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert b"running\n" in process.stdout
        finally:
            process.kill()
    if (engine_mode, provider_mode) == ("cli", "private"):
        # The CLI cannot take its plugin along when it is killed: that is left to the next start.
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with open_engine(Settings(run_dir=run_dir, engine_mode="cli", provider_mode="private")):
            assert processes_of(run_dir) == []
        return
    psutil.wait_procs(processes_of(run_dir), timeout=generous(5))
    assert processes_of(run_dir) == []
