"""32 stacks at a time on the threads of one process, while workers are killed: none harms another."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress

import psutil
import pytest

from reconciler.engine.outcome import Outcome
from reconciler.state import checkpoint
from tests.engine_speed.conftest import IGNORE_LEFTOVERS, Drive
from tests.engine_speed.driver import Driver, Stack, descendants

pytestmark = [pytest.mark.cluster, IGNORE_LEFTOVERS]

STACKS = 32
ROUNDS, ROUNDS_IN_SHORT = 20, 2
Operation = Callable[[Stack], Coroutine[None, None, Outcome]]


class Killer:
    """Kills a worker now and then, at work or idle, until the block ends."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.kills = 0

    async def __aenter__(self) -> "Killer":
        self._task = asyncio.create_task(self._kill())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))
            if workers := descendants("pulumi-engine-worker"):
                with suppress(psutil.NoSuchProcess):
                    self._chance.choice(workers).kill()
                    self.kills += 1


async def run_among_deaths(stacks: list[Stack], operation: Operation, chance: random.Random) -> list[Stack]:
    """Do it to all stacks at once. Returns those that failed, each by the death of its own worker."""
    async with Killer(chance) as killer:
        outcomes = await asyncio.gather(*(operation(stack) for stack in stacks))
    failed = [stack for stack, outcome in zip(stacks, outcomes, strict=True) if outcome.error]
    errors = {outcome.error.message for outcome in outcomes if outcome.error}
    assert all("engine ended with exit code -9" in error for error in errors), errors
    assert len(failed) <= killer.kills
    return failed


def assert_each_has_its_own(driver: Driver) -> None:
    """Nothing is missing, nothing is in a wrong stack, and every checkpoint tells the truth."""
    assert driver.live() == {stack.owner.uid: stack.children for stack in driver.stacks}
    assert driver.images() == {stack.owner.uid: stack.image for stack in driver.stacks}
    for stack in driver.stacks:
        assert checkpoint.children(stack.stored) == stack.children


@pytest.mark.timeout(3600)
async def test_stacks_stay_apart_while_workers_are_killed(drive: Drive, full: bool) -> None:
    chance = random.Random(20301)
    failures = 0
    async with drive(engine_mode="worker", concurrent_runs=8, worker_max_runs=7) as driver:
        stacks = driver.make(STACKS)
        for number in range(ROUNDS if full else ROUNDS_IN_SHORT):
            for index, stack in enumerate(stacks):
                stack.image = f"local/image-{index}:{number}"
            failed = await run_among_deaths(stacks, driver.up, chance)
            failures += len(failed)
            assert [outcome.error for outcome in await driver.up_all(failed)] == [None] * len(failed)
            assert_each_has_its_own(driver)
        failed = await run_among_deaths(stacks, driver.destroy, chance)
        for stack in failed:
            assert (await driver.destroy(stack)).error is None
        assert driver.live() == {}
    assert failures > 0, "no death hit a run: the test proved nothing"
