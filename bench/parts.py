"""What is measured. Each part leaves the grounds as it found them, but for the fleet, which several share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bench import fleet, loads
from bench.arrivals import Arrivals
from bench.bench import GRACE_S, ONE_S, Bench
from bench.logins import measure_logins
from bench.promises import measure_told
from bench.report import figure, percentile


async def latency(bench: Bench) -> None:
    """From apply to the last child existing, one DevServer at a time in an idle system."""
    grounds, seconds, applied = bench.grounds, [], []
    async with AsyncExitStack() as stack:
        arrivals = Arrivals()
        for follower in grounds.child_followers():
            follower.listeners.append(arrivals.note)
            await stack.enter_async_context(follower)
        for number in range(bench.sizes.samples):
            name = f"one-{number}"
            began = time.monotonic()
            await grounds.submit([grounds.manifest(name)])
            seconds.append(await arrivals.last_of(name) - began)
            await grounds.applied([name], ONE_S)
            applied.append(time.monotonic() - began)
            await asyncio.sleep(0.3)
    await grounds.delete([f"one-{number}" for number in range(bench.sizes.samples)], GRACE_S * 2)
    figure("create_latency_s_p50", percentile(seconds, 50), "s")
    figure("create_latency_s_p95", percentile(seconds, 95), "s")
    figure("applied_latency_s_p50", percentile(applied, 50), "s")


async def login(bench: Bench) -> None:
    """From apply to an SSH login on a warm node, step by step; a second login, stop and start, and a large copy."""
    await measure_logins(bench.grounds, bench.sizes.logins, bench.sizes.rounds)


async def told(bench: Bench) -> None:
    """From the kubelet's refusal of an image until the DevServer's condition tells of it."""
    await measure_told(bench.grounds, bench.sizes.tries)


Part = Callable[[Bench], Awaitable[None]]
# In the order in which they are best run: the fleet would slow the others.
PARTS: dict[str, Part] = {
    "rates": loads.rates,
    "latency": latency,
    "login": login,
    "told": told,
    "noop": fleet.noop,
    "drift": fleet.drift,
    "devctl": fleet.devctl,
    "rest": fleet.rest,
    "restart": fleet.restart,
    "failover": fleet.failover,
    "thousand": loads.thousand,
}
# The bars ask for it, but it takes as long as all others together.
BY_NAME_ONLY = {"thousand"}
