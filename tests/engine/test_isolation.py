"""Many stacks at a time in the threads of one process: none sees another's program, state or end."""

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.engine.engine import Engine
from reconciler.state import checkpoint
from reconciler.state.encryption_keys import Keys
from reconciler.status.errors import EngineTimeoutError
from stacks.metadata import UID_LABEL
from tests.engine.conftest import Box
from tests.patience import until

# Pulumi's SDK leaves its event loops to the garbage collector.
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]

MakeBox = Callable[..., Box]
STACKS, ROUNDS = 12, 3


@pytest.fixture
def boxes(make_box: MakeBox) -> list[Box]:
    return [make_box(f"box-{number}") for number in range(STACKS)]


def assert_each_has_its_own(boxes: list[Box]) -> None:
    """Every object is there, says whose it is, and is recorded in that one's state and in no other."""
    for box in boxes:
        assert checkpoint.children(box.state) == box.children
        objects = box.objects()
        assert objects.keys() == box.children
        assert {obj["metadata"]["labels"][UID_LABEL] for obj in objects.values()} == {box.owner.uid}
        assert f"DevServer {box.owner.name} in" in objects[box.names.sshd]["data"]["motd"]


async def test_stacks_that_run_together_get_their_own_objects_round_after_round(
    engine: Engine, keys: Keys, boxes: list[Box], runs_dir: Path
) -> None:
    for number in range(ROUNDS):
        for box in boxes:
            box.spec = {"env": [{"name": "ROUND", "value": f"{number} of {box.owner.name}"}]}
        random.Random(number).shuffle(boxes)
        outcomes = await asyncio.gather(*(box.up(engine, keys) for box in boxes))
        assert [outcome.error for outcome in outcomes] == [None] * STACKS
        assert all(outcome.changes.get("update", 0) == (1 if number else 0) for outcome in outcomes)
    assert_each_has_its_own(boxes)
    outcomes = await asyncio.gather(*(box.destroy(engine, keys) for box in boxes))
    assert [outcome.error for outcome in outcomes] == [None] * STACKS
    assert [box.objects() for box in boxes] == [{}] * STACKS
    assert os.listdir(runs_dir) == []


async def test_a_run_that_is_killed_takes_no_other_with_it(
    engine: Engine, keys: Keys, boxes: list[Box]
) -> None:
    chance, deaths = random.Random(1), 0
    for number in range(ROUNDS):
        for box in boxes:
            box.spec = {"env": [{"name": "ROUND", "value": str(number)}]}
        runs = asyncio.gather(*(box.up(engine, keys) for box in boxes))
        await until(engine.run_seconds)
        # Before the last of them has ended, though each may take a fraction of a second only.
        await asyncio.sleep(0.3 * chance.random())
        if running := engine.runner.running:
            chance.choice(running).kill()
        outcomes = await runs
        killed = [outcome for outcome in outcomes if outcome.error is not None]
        # A run that has just ended cannot be killed any more.
        assert len(killed) <= 1
        assert all(isinstance(outcome.error, EngineTimeoutError) for outcome in killed)
        assert all(outcome.checkpoint is None for outcome in killed)
        deaths += len(killed)
    assert deaths > 0
    # The state of a killed run is the one before it: what was made since is adopted.
    outcomes = await asyncio.gather(*(box.up(engine, keys) for box in boxes))
    assert [outcome.error for outcome in outcomes] == [None] * STACKS
    assert_each_has_its_own(boxes)
