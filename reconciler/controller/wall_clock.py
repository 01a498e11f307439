"""Notices when the wall clock was set or the machine slept. Timers use the monotonic clock and would be off."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

_log = structlog.get_logger()
_LOOK_S = 5.0
# Time servers correct a clock in smaller steps.
_STEP_S = 2.0


async def follow(
    stepped: Callable[[], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    look_s: float = _LOOK_S,
) -> None:
    """Call `stepped` soon after each step of the wall clock, until cancelled. look_s: seconds between two checks."""
    before = now().timestamp() - monotonic()
    while True:
        await asyncio.sleep(look_s)
        after = now().timestamp() - monotonic()
        if abs(after - before) > _STEP_S:
            _log.warning("the clock was set", by_s=round(after - before, 1))
            stepped()
        before = after
