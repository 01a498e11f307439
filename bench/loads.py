"""Many DevServers at once: how many the operator makes and removes in a second, and what it takes for that."""

import asyncio
import time
from collections.abc import Sequence

from bench.api import Object
from bench.bench import ONE_S, QUIET_S, Bench, longest_s
from bench.grounds import CHILD_PATHS, Grounds, bare, in_turns, is_applied, named_problem, plural_of
from bench.memory import Cpu, Peak, shown
from bench.report import figure, median, note
from stacks.metadata import NAME_LABEL


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
                creates.append(len(names) / await bench.grounds.create(names, longest_s(len(names))))
            with Cpu(family, per=len(names)) as for_delete:
                deletes.append(len(names) / await bench.grounds.delete(names, longest_s(len(names))))
        created_s.append(for_create.total_s)
        deleted_s.append(for_delete.total_s)
        peaks.append(peak.rss_mb)
        note(
            f"round {number + 1}: {creates[-1]:.1f} creates/s, {bares[-1]:.1f} bare/s, {deletes[-1]:.1f} deletes/s, "
            f"peak {peak.rss_mb:.0f} MB ({shown(peak.parts)})"
        )
        note(f"processor time of a create {created_s[-1]:.3f} s: {shown(for_create.parts, 3)}")
        note(f"processor time of a delete {deleted_s[-1]:.3f} s: {shown(for_delete.parts, 3)}")
        await asyncio.sleep(QUIET_S)
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
    await bench.grounds.create([name], ONE_S)
    children = await bench.grounds.children(name)
    await bench.grounds.delete([name], ONE_S)
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
            await api.apply(f"{paths[plural_of(child)]}/{child['metadata']['name']}", child)

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
    await asyncio.sleep(QUIET_S)
    return rate


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
        await grounds.applied(names, longest_s(len(names)))
        took_s = time.monotonic() - began
        await grounds.devservers.wait_for(
            set(hostile), lambda obj: named_problem(obj) is not None, "hostile DevServers are refused", ONE_S
        )
        reasons = {named_problem(grounds.devservers.objects[name]) for name in hostile}
        note(
            f"{len(names)} applied in {took_s:.0f} s; the hostile ones ended in {', '.join(map(str, reasons))}"
        )
        succeeded = sum(is_applied(grounds.devservers.objects.get(name)) for name in names)
        deleted_s = await grounds.delete([*names, *hostile], longest_s(len(names)))
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
