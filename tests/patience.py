"""How long tests wait. A busy machine makes no test fail: a test says what happens, the bench how soon.

Whoever waits for a thing goes on as soon as it is there, so a generous bound takes no time.
"""

import asyncio
import time
from collections.abc import Callable

# So many times as long as promised may a thing take in a test, beside whatever else the machine does.
SLACK = 10
# For what is promised no time of its own. On a machine at rest it takes seconds.
PATIENCE_S = 120.0
# For kubectl, which waits 30 s at most unless it is told otherwise.
PATIENTLY = f"--timeout={PATIENCE_S:.0f}s"
# A program that has not ended by then hangs: it may itself have waited patiently.
HUNG_S = 300.0


def generous(promised_s: float) -> float:
    """The bound of a test, in seconds, on what is promised within promised_s."""
    return SLACK * promised_s


async def until(holds: Callable[[], object]) -> None:
    """Let other tasks of the event loop go on until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"did not come true within {PATIENCE_S:g} s"
        await asyncio.sleep(0.02)
