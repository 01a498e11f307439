"""How many runs there are at a time."""

import asyncio

import pytest

from reconciler.engine.run_slots import RunSlots
from tests.patience import PATIENCE_S


class Runs:
    """Runs that go on until they are told to end."""

    def __init__(self, slots: RunSlots) -> None:
        self.slots = slots
        self.running: list[str] = []
        self.begun: dict[str, asyncio.Event] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str) -> None:
        self.begun[name], self._ends[name] = asyncio.Event(), asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._run(name))
        await asyncio.sleep(0.01)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await asyncio.sleep(0.01)

    async def _run(self, name: str) -> None:
        async with self.slots.take():
            self.running.append(name)
            self.begun[name].set()
            await self._ends[name].wait()
            self.running.remove(name)


async def test_no_more_runs_than_slots_in_the_order_of_asking() -> None:
    runs = Runs(RunSlots(2, slow_s=60))
    for name in "abcd":
        await runs.start(name)
    assert runs.running == ["a", "b"]
    await runs.end("a")
    assert runs.running == ["b", "c"]
    await runs.end("b")
    await runs.end("c")
    assert runs.running == ["d"]
    await runs.end("d")


async def test_a_slow_run_gives_its_slot_to_the_next_and_goes_on() -> None:
    runs = Runs(RunSlots(1, slow_s=0.2))
    await runs.start("slow")
    await runs.start("next")
    assert runs.running == ["slow"]
    await asyncio.wait_for(runs.begun["next"].wait(), PATIENCE_S)
    assert runs.running == ["slow", "next"]
    await runs.end("slow")
    await runs.end("next")
    await runs.start("third")
    await runs.start("fourth")
    assert runs.running == ["third"], "a slot is given back once only"
    await runs.end("third")
    await runs.end("fourth")


async def test_a_run_that_fails_gives_its_slot_back() -> None:
    slots = RunSlots(1, slow_s=60)

    async def fail() -> None:
        async with slots.take():
            raise OSError("no")

    for _ in range(3):
        with pytest.raises(OSError, match="no"):
            await asyncio.wait_for(fail(), PATIENCE_S)


def test_slots_serve_one_event_loop_after_another() -> None:
    slots = RunSlots(1, slow_s=60)

    async def contend() -> None:
        runs = Runs(slots)
        await runs.start("a")
        await runs.start("b")
        assert runs.running == ["a"]
        await runs.end("a")
        await runs.end("b")

    for _ in range(2):
        asyncio.run(contend())
