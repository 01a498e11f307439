"""With a fleet of DevServers that stays: rest, touches, drift, restarts and failovers of the operator."""

import asyncio
import signal
import time

from bench.api import Follower
from bench.bench import GRACE_S, ONE_S, QUIET_S, Bench
from bench.grounds import CHILD_COUNT, CHILD_PATHS, in_turns, plural_of
from bench.memory import Cpu, shown
from bench.promises import measure_devctl
from bench.report import figure, median, note, percentile
from stacks.metadata import NAME_LABEL


async def noop(bench: Bench) -> None:
    """Engine runs that are caused by touching DevServers without a change of their spec."""
    names = (await bench.fleet())[: bench.sizes.load]
    before = bench.operator.engine_runs()
    touched = {"metadata": {"annotations": {"bench.devserver.io/touched": str(time.time())}}}
    await in_turns(names, lambda name: bench.grounds.api.merge(bench.grounds.path(name), touched))
    await asyncio.sleep(QUIET_S * 2)
    figure("noop_runs", bench.operator.engine_runs() - before, "1")


async def restart(bench: Bench) -> None:
    """Seconds from the start of the process until it works, with the fleet there; engine runs that it makes."""
    await bench.fleet()
    seconds, stops, runs = [], [], 0
    for _ in range(bench.sizes.rounds):
        before = bench.operator.engine_runs()
        stops.append(await bench.operator.stop())
        seconds.append(await bench.operator.start())
        cpu_s = sum(bench.operator.family.cpu_s.values())
        await asyncio.sleep(QUIET_S * 2)
        runs += bench.operator.engine_runs() - before
        note(f"ended in {stops[-1]:.2f} s; at work after {seconds[-1]:.2f} s, {cpu_s:.2f} of the processor's")
    figure("restart_s", median(seconds), "s")
    figure("restart_engine_runs", runs, "1")
    figure("stop_s", median(stops), "s")


async def rest(bench: Bench) -> None:
    """Memory with the fleet there and nothing to do for a while."""
    await bench.fleet()
    note(f"resting for {bench.sizes.idle_s:.0f} s")
    family = bench.operator.family
    with Cpu(family, per=bench.sizes.idle_s) as used:
        await asyncio.sleep(bench.sizes.idle_s)
    parts = family.rss_mb()
    figure("rss_mb_rest", sum(parts.values()), "MB")
    figure("cpu_percent_rest", 100 * used.total_s, "%")
    note(f"at rest: {shown(parts)}")


async def drift(bench: Bench) -> None:
    """From the deletion of a child by hand until it is back; all kinds of children in turn."""
    names, grounds, seconds = await bench.fleet(), bench.grounds, []
    for number in range(bench.sizes.drifts):
        name = names[number % len(names)]
        child = (await grounds.children(name))[number % CHILD_COUNT]
        collection = next(path for path in CHILD_PATHS if path.endswith(f"/{plural_of(child)}"))
        path = f"/{collection.format(grounds.namespace)}"
        meta = child["metadata"]
        async with Follower(grounds.api, path, f"{NAME_LABEL}={name}") as follower:
            began = time.monotonic()
            await grounds.api.delete(f"{path}/{meta['name']}", meta["uid"])
            await follower.wait_for(
                {meta["name"]},
                lambda obj, uid=meta["uid"]: obj is not None and obj["metadata"]["uid"] != uid,  # type: ignore[misc]
                f"{child['kind']} {meta['name']} is back",
                ONE_S,
            )
            seconds.append(time.monotonic() - began)
        await asyncio.sleep(0.5)
    figure("drift_repair_s_p50", percentile(seconds, 50), "s")
    figure("drift_repair_s_p95", percentile(seconds, 95), "s")


async def devctl(bench: Bench) -> None:
    """How long the users' command takes: its help, and a list of the fleet."""
    await bench.fleet()
    await measure_devctl(bench.operator.environment, bench.grounds.namespace, bench.sizes.tries)


async def failover(bench: Bench) -> None:
    """From the leader's end to a new DevServer being applied by the replica that stood by, with the fleet there."""
    await bench.fleet()
    for number in (signal.SIGKILL, signal.SIGTERM):
        seconds = []
        for turn in range(bench.sizes.rounds):
            leader, successor = bench.replicas
            await successor.stand_by()
            await asyncio.sleep(QUIET_S)
            name = f"{number.name.lower()}-{turn}"
            began = time.monotonic()
            leader.send(number)
            seconds.append(time.monotonic() - began + await bench.grounds.create([name], GRACE_S))
            note(f"{number.name}: applied after {seconds[-1]:.2f} s")
            bench.replicas.reverse()
            await leader.stop()
        figure(f"failover_s_{number.name.lower()}", median(seconds), "s")
