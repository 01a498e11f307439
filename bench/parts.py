"""What is measured. Each part leaves the grounds as it found them, but for the fleet, which several share."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench.api import Follower, Object
from bench.arrivals import Arrivals
from bench.grounds import CHILD_COUNT, CHILD_PATHS, Grounds, bare, in_turns, is_applied, named_problem
from bench.logins import measure_logins
from bench.memory import Cpu, Peak, shown
from bench.operator import Operator
from bench.promises import measure_devctl, measure_told
from bench.report import figure, median, note, percentile
from stacks.metadata import NAME_LABEL

# The slowest rate at which the bench still waits for an end, and what is waited for in any case.
_SLOWEST_PER_S = 0.5
_GRACE_S = 60.0
# Until what an earlier step has set off in the cluster (garbage collection, for example) has died down.
_QUIET_S = 3.0
_ONE_S = 30.0


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
            await self.grounds.create(names, _longest_s(len(names)))
            self._fleet = names
            await asyncio.sleep(_QUIET_S)
        return self._fleet


def _longest_s(count: int) -> float:
    return _GRACE_S + count / _SLOWEST_PER_S


# --- rates -------------------------------------------------------------------------------------------------


async def rates(bench: Bench) -> None:
    """Creates and deletes per second, beside bare calls that make the same children; memory under that load."""
    creates, bares, deletes, peaks, created_s, deleted_s = [], [], [], [], [], []
    template = await _template(bench)
    for number in range(bench.sizes.rounds):
        bares.append(await _bare_creates_per_s(bench, template, number))
        names = [f"load-{number}-{index}" for index in range(bench.sizes.load)]
        family = bench.operator.family
        async with Peak([family]) as peak:
            with Cpu(family, per=len(names)) as for_create:
                creates.append(len(names) / await bench.grounds.create(names, _longest_s(len(names))))
            with Cpu(family, per=len(names)) as for_delete:
                deletes.append(len(names) / await bench.grounds.delete(names, _longest_s(len(names))))
        created_s.append(for_create.total_s)
        deleted_s.append(for_delete.total_s)
        peaks.append(peak.rss_mb)
        note(
            f"round {number + 1}: {creates[-1]:.1f} creates/s, {bares[-1]:.1f} bare/s, {deletes[-1]:.1f} deletes/s, "
            f"peak {peak.rss_mb:.0f} MB ({shown(peak.parts)})"
        )
        note(f"processor time of a create {created_s[-1]:.3f} s: {shown(for_create.parts, 3)}")
        note(f"processor time of a delete {deleted_s[-1]:.3f} s: {shown(for_delete.parts, 3)}")
        await asyncio.sleep(_QUIET_S)
    figure("creates_per_s", median(creates), "1/s")
    figure("bare_creates_per_s", median(bares), "1/s")
    figure("creates_to_bare", median([made / alone for made, alone in zip(creates, bares, strict=True)]), "1")
    figure("deletes_per_s", median(deletes), "1/s")
    figure("create_cpu_s", median(created_s), "s")
    figure("delete_cpu_s", median(deleted_s), "s")
    figure("rss_mb_peak", max(peaks), "MB")


async def _template(bench: Bench) -> list[Object]:
    """The children of a DevServer, which also wakes up what has been idle."""
    name = "template"
    await bench.grounds.create([name], _ONE_S)
    children = await bench.grounds.children(name)
    await bench.grounds.delete([name], _ONE_S)
    return [bare(child, bench.grounds.bare_namespace, "NAME", name) for child in children]


async def _bare_creates_per_s(bench: Bench, template: list[Object], number: int) -> float:
    """The rate at which sets of the children can be applied by bare calls. They are removed again."""
    api, namespace = bench.grounds.api, bench.grounds.bare_namespace
    paths = {path.format(namespace).rpartition("/")[2]: f"/{path.format(namespace)}" for path in CHILD_PATHS}
    sets = [
        [bare(child, namespace, f"bare-{number}-{index}", "NAME") for child in template]
        for index in range(bench.sizes.load)
    ]

    async def apply(children: list[Object]) -> None:
        for child in children:
            await api.apply(f"{paths[_plural(child)]}/{child['metadata']['name']}", child)

    began = time.monotonic()
    await in_turns(sets, apply)
    rate = len(sets) / (time.monotonic() - began)
    for plural, path in paths.items():
        listed = await api.get(f"{path}?labelSelector={NAME_LABEL}")
        note(f"removing {len(listed['items'])} bare {plural}")
        await in_turns(
            listed["items"],
            lambda item, path=path: api.delete(  # type: ignore[misc]
                f"{path}/{item['metadata']['name']}", item["metadata"]["uid"]
            ),
        )
    await asyncio.sleep(_QUIET_S)
    return rate


def _plural(child: Object) -> str:
    return f"{child['kind'].lower()}s"


# --- latency -----------------------------------------------------------------------------------------------


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
            await grounds.applied([name], _ONE_S)
            applied.append(time.monotonic() - began)
            await asyncio.sleep(0.3)
    await grounds.delete([f"one-{number}" for number in range(bench.sizes.samples)], _GRACE_S * 2)
    figure("create_latency_s_p50", percentile(seconds, 50), "s")
    figure("create_latency_s_p95", percentile(seconds, 95), "s")
    figure("applied_latency_s_p50", percentile(applied, 50), "s")


async def login(bench: Bench) -> None:
    """From apply to an SSH login on a warm node, step by step; a second login, stop and start, and a large copy."""
    await measure_logins(bench.grounds, bench.sizes.logins, bench.sizes.rounds)


async def told(bench: Bench) -> None:
    """From the kubelet's refusal of an image until the DevServer's condition tells of it."""
    await measure_told(bench.grounds, bench.sizes.tries)


# --- a fleet that stays ------------------------------------------------------------------------------------


async def noop(bench: Bench) -> None:
    """Engine runs that are caused by touching DevServers without a change of their spec."""
    names = (await bench.fleet())[: bench.sizes.load]
    before = bench.operator.engine_runs()
    touched = {"metadata": {"annotations": {"bench.devserver.io/touched": str(time.time())}}}
    await in_turns(names, lambda name: bench.grounds.api.merge(bench.grounds.path(name), touched))
    await asyncio.sleep(_QUIET_S * 2)
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
        await asyncio.sleep(_QUIET_S * 2)
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
        collection = next(path for path in CHILD_PATHS if path.endswith(f"/{_plural(child)}"))
        path = f"/{collection.format(grounds.namespace)}"
        meta = child["metadata"]
        async with Follower(grounds.api, path, f"{NAME_LABEL}={name}") as follower:
            began = time.monotonic()
            await grounds.api.delete(f"{path}/{meta['name']}", meta["uid"])
            await follower.wait_for(
                {meta["name"]},
                lambda obj, uid=meta["uid"]: obj is not None and obj["metadata"]["uid"] != uid,  # type: ignore[misc]
                f"{child['kind']} {meta['name']} is back",
                _ONE_S,
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
            await asyncio.sleep(_QUIET_S)
            name = f"{number.name.lower()}-{turn}"
            began = time.monotonic()
            leader.send(number)
            seconds.append(time.monotonic() - began + await bench.grounds.create([name], _GRACE_S))
            note(f"{number.name}: applied after {seconds[-1]:.2f} s")
            bench.replicas.reverse()
            await leader.stop()
        figure(f"failover_s_{number.name.lower()}", median(seconds), "s")


# --- many --------------------------------------------------------------------------------------------------


async def thousand(bench: Bench) -> None:
    """A large load with a hostile DevServer among each hundred: all others end in success."""
    grounds = bench.grounds
    names = [f"many-{number}" for number in range(bench.sizes.thousand)]
    hostile = [f"hostile-{number}" for number in range(max(1, len(names) // 100))]
    await _occupy_names(grounds, hostile)
    manifests = [grounds.manifest(name) for name in names]
    for number, name in enumerate(hostile):
        manifests.insert(number * 101, _hostile(grounds, name, number))
    async with Peak([bench.operator.family]) as peak:
        began = time.monotonic()
        await grounds.submit(manifests)
        await grounds.applied(names, _longest_s(len(names)))
        took_s = time.monotonic() - began
        await grounds.devservers.wait_for(
            set(hostile), lambda obj: named_problem(obj) is not None, "hostile DevServers are refused", _ONE_S
        )
        reasons = {named_problem(grounds.devservers.objects[name]) for name in hostile}
        note(
            f"{len(names)} applied in {took_s:.0f} s; the hostile ones ended in {', '.join(map(str, reasons))}"
        )
        succeeded = sum(is_applied(grounds.devservers.objects.get(name)) for name in names)
        deleted_s = await grounds.delete([*names, *hostile], _longest_s(len(names)))
    note(f"peak {peak.rss_mb:.0f} MB: {shown(peak.parts)}")
    figure("thousand_succeeded", succeeded, "1")
    figure("thousand_create_s", took_s, "s")
    figure("thousand_creates_per_s", len(names) / took_s, "1/s")
    figure("thousand_deletes_per_s", len(names) / deleted_s, "1/s")
    figure("thousand_rss_mb_peak", peak.rss_mb, "MB")


def _hostile(grounds: Grounds, name: str, number: int) -> Object:
    """A DevServer that can never be applied, for one reason or another."""
    match number % 3:
        case 0:  # a child's name is taken
            return grounds.manifest(name)
        case 1:
            return grounds.manifest(name, flavor="bench-none-such")
        case _:  # looks like a key to the API server
            return grounds.manifest(name, ssh={"publicKey": "ssh-ed25519 AAAAB3NzaC1yc2E"})


async def _occupy_names(grounds: Grounds, hostile: Sequence[str]) -> None:
    """Objects of someone else in the way of children; they go with the namespace."""
    path = f"/api/v1/namespaces/{grounds.namespace}/configmaps"
    for name in hostile[::3]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-sshd"}}
        await grounds.api.create(path, body)


Part = Callable[[Bench], Awaitable[None]]
# In the order in which they are best run: the fleet would slow the others.
PARTS: dict[str, Part] = {
    "rates": rates,
    "latency": latency,
    "login": login,
    "told": told,
    "noop": noop,
    "drift": drift,
    "devctl": devctl,
    "rest": rest,
    "restart": restart,
    "failover": failover,
    "thousand": thousand,
}
# The bars ask for it, but it takes as long as all others together.
BY_NAME_ONLY = {"thousand"}
