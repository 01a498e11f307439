"""When children were first seen."""

import asyncio
import time
from dataclasses import dataclass, field

from bench.api import Object
from bench.errors import BenchError
from bench.grounds import CHILD_COUNT
from stacks.metadata import NAME_LABEL

_LONGEST_S = 30.0


@dataclass
class Arrivals:
    """When children were first seen, by the name of their DevServer."""

    _times: dict[str, dict[str, float]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, _: str, obj: Object | None) -> None:
        """Listen to a Follower."""
        if obj is not None:
            seen = self._times.setdefault(obj["metadata"]["labels"][NAME_LABEL], {})
            seen.setdefault(obj["metadata"]["uid"], time.monotonic())
            self._changed.set()

    async def last_of(self, name: str) -> float:
        """The time at which the last child of the DevServer was seen. Raises BenchError if that takes too long."""
        try:
            async with asyncio.timeout(_LONGEST_S):
                while len(self._times.get(name, {})) < CHILD_COUNT:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise BenchError(f"{name} had no {CHILD_COUNT} children within {_LONGEST_S:.0f} s") from None
        return max(self._times[name].values())
