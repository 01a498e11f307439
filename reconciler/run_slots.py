"""How many engine runs there are at a time. A slow run does not hold up the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RunSlots:
    """Slots for runs, handed out in the order of asking.

    count: slots. slow_s: a run that takes longer gives its slot to the next one, and goes on. So `count` bounds the
    load of a busy engine, while runs that only wait (for a slow admission webhook, say) hold up nobody.
    """

    def __init__(self, count: int, slow_s: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._slow_s = slow_s

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """A slot until the block ends, or until it has lasted too long."""
        await self._free.acquire()
        returned = False

        def give_back() -> None:
            nonlocal returned
            if not returned:
                returned = True
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._slow_s, give_back)
        try:
            yield
        finally:
            timer.cancel()
            give_back()
