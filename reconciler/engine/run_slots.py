"""Limits how many engine runs there are at a time. A slow run does not hold up the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RunSlots:
    """Slots for runs, which get them in the order in which they ask.

    count: of slots. slow_s: a run that takes longer gives its slot to the next one, and goes on. So `count` bounds the
    load of a busy engine, and runs that only wait, for example for a slow admission webhook, hold up no others.
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
            # A semaphore belongs to one event loop, but an engine may serve one loop after another.
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
