"""What the parts of the bench share: the operator's replicas, the grounds, how much of everything, how long to wait."""

import asyncio
from dataclasses import dataclass, field

from bench.grounds import Grounds
from bench.operator import Operator
from bench.report import note

# The slowest rate at which the bench still waits for an end, and what is waited for in any case.
_SLOWEST_PER_S = 0.5
GRACE_S = 60.0
# Until what an earlier step has set off in the cluster (garbage collection, for example) has died down.
QUIET_S = 3.0
# For one DevServer.
ONE_S = 30.0


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    load: DevServers at once. fleet: DevServers that are there while the operator restarts and rests. rounds: of
    which the median counts. samples: of latencies; drifts: of repairs; tries: of what is told, and of the users'
    command. idle_s: seconds of rest before memory is read. thousand: DevServers of the large load.
    """

    load: int = 200
    fleet: int = 300
    rounds: int = 3
    samples: int = 40
    logins: int = 7
    drifts: int = 25
    tries: int = 7
    idle_s: float = 60.0
    thousand: int = 1000


@dataclass
class Bench:
    """The operator's replicas and the grounds. The first replica runs, the second is for the failover.

    peak: of the memory of all replicas, from the first load on.
    """

    grounds: Grounds
    replicas: list[Operator]
    sizes: Sizes
    _fleet: list[str] = field(default_factory=list)

    @property
    def operator(self) -> Operator:
        """The replica that works."""
        return self.replicas[0]

    async def fleet(self) -> list[str]:
        """The names of DevServers that stay; made when first asked for."""
        if not self._fleet:
            names = [f"fleet-{number}" for number in range(self.sizes.fleet)]
            note(f"making {len(names)} DevServers that stay")
            await self.grounds.create(names, longest_s(len(names)))
            self._fleet = names
            await asyncio.sleep(QUIET_S)
        return self._fleet


def longest_s(count: int) -> float:
    """How long at most so many DevServers are waited for."""
    return GRACE_S + count / _SLOWEST_PER_S
