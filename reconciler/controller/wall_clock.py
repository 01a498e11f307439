"""Noticing that the wall clock was set, or that the machine slept: timers go by the other clock and would be off."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

_log = structlog.get_logger()
_LOOK_S = 5.0
# Time servers correct a clock by less, little by little.
_STEP_S = 2.0


async def follow(
    stepped: Callable[[], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    look_s: float = _LOOK_S,
) -> None:
    """Call `stepped` a moment after the wall clock was set, until cancelled. look_s: seconds between two looks."""
    before = now().timestamp() - monotonic()
    while True:
        await asyncio.sleep(look_s)
        after = now().timestamp() - monotonic()
        if abs(after - before) > _STEP_S:
            _log.warning("the clock was set", by_s=round(after - before, 1))
            stepped()
        before = after
