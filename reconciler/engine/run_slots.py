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
        self._count = count
        self._slow_s = slow_s
        self._free = asyncio.Semaphore(count)
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """A slot until the block ends, or until it has lasted too long."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A semaphore serves one loop only, an engine may serve one after the other.
            self._loop, self._free = loop, asyncio.Semaphore(self._count)
        free, returned = self._free, False
        await free.acquire()

        def give_back() -> None:
            nonlocal returned
            if not returned:
                returned = True
                free.release()

        timer = loop.call_later(self._slow_s, give_back)
        try:
            yield
        finally:
            timer.cancel()
            give_back()
