"""Steps of the wall clock are noticed, and nothing else is."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.controller import wall_clock

START = datetime(2030, 1, 1, tzinfo=UTC)


async def steps_seen(offsets_s: list[float]) -> int:
    """How many steps are seen when the wall clock is ahead by these seconds, one look after the other."""
    elapsed_s, ahead, seen = 0.0, iter(offsets_s), 0
    ended = asyncio.Event()

    def monotonic() -> float:
        nonlocal elapsed_s
        elapsed_s += 5
        return elapsed_s

    def now() -> datetime:
        try:
            return START + timedelta(seconds=elapsed_s + next(ahead))
        except StopIteration:
            ended.set()
            raise asyncio.CancelledError from None

    def stepped() -> None:
        nonlocal seen
        seen += 1

    task = asyncio.create_task(wall_clock.follow(stepped, now, monotonic, look_s=0))
    await ended.wait()
    await asyncio.wait({task})
    return seen


@pytest.mark.parametrize(
    ("offsets_s", "seen"),
    [
        ([0, 0, 0], 0),
        ([0, 0.5, 1, 1.5, 2, 2.5], 0),
        ([0, 3600, 3600], 1),
        ([0, -3600, -3600, 0], 2),
        ([3600, 3600], 0),
    ],
    ids=[
        "steady",
        "corrected little by little",
        "set ahead",
        "set back and corrected",
        "wrong from the start",
    ],
)
async def test_steps_of_the_clock_are_noticed_once(offsets_s: list[float], seen: int) -> None:
    assert await steps_seen(offsets_s) == seen
