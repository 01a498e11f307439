"""The watches of nodes and pods, and of NodePools while these are served."""

import asyncio
from typing import Any, cast

import pytest

from crds.resources import CRD, NODE, POD, Resource
from reconciler.kinds.flavor.scheduling.capacity import Capacity, relevant
from reconciler.kinds.flavor.watches import CapacityWatches, served_version
from reconciler.kube.client import Client
from reconciler.kube.watch import OnChange, Watch
from tests.flavors.cases import Node, Pod
from tests.unit.kinds.flavor.scheduling.test_karpenter import pool
from tests.unit.kube.test_watch import FakeClient

Object = dict[str, Any]


def definition(*versions: str, version: str = "1", established: str = "True", **metadata: Any) -> Object:
    return {
        "metadata": {"name": "nodepools.karpenter.sh", "uid": "u", "resourceVersion": version, **metadata},
        "spec": {"versions": [{"name": name, "served": name != "v1alpha5"} for name in versions]},
        "status": {"conditions": [{"type": "Established", "status": established}]},
    }


@pytest.mark.parametrize(
    ("found", "version"),
    [
        (definition("v1"), "v1"),
        (definition("v1beta1", "v1"), "v1"),
        (definition("v1beta1"), "v1beta1"),
        (definition("v1alpha5"), None),
        (definition("v3"), None),
        (definition("v1", established="False"), None),
        (definition("v1", deletionTimestamp="2030-01-01T08:00:00Z"), None),
        (definition("v1") | {"status": {}}, None),
    ],
)
def test_the_version_that_is_followed(found: Object, version: str | None) -> None:
    assert served_version(found) == version


class Bench:
    """Watches that are told of objects by the test; those of NodePools list the pools and stay open."""

    def __init__(self, *pools: Object) -> None:
        self.pools = pools
        self.made: dict[str, Watch] = {}
        self.changes = 0
        self.capacity = Capacity()
        self.followed: list[Watch] = []
        self.watches = CapacityWatches(self.make, self.capacity, self.changed)

    def changed(self) -> None:
        self.changes += 1

    def make(self, resource: Resource, on_change: OnChange, **more: Any) -> Watch:
        client = FakeClient(lists=[(list(self.pools), "5")])
        watch = Watch(cast(Client, client), resource, on_change, timeout_s=300, silence_s=150, **more)
        self.made[resource.plural + more.get("fields", "")] = watch
        return watch

    def see(self, resource: Resource, obj: Object, version: int = 1) -> None:
        (watch,) = (watch for watch in self.made.values() if watch.resource == resource)
        obj["metadata"] |= {"uid": obj["metadata"]["name"], "resourceVersion": str(version)}
        watch.apply_write(obj)

    async def rest(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def test_only_what_counts_is_a_change() -> None:
    bench = Bench()
    for version in (1, 2, 3):
        bench.see(NODE, Node().manifest("one", "case"), version)
        bench.see(POD, Pod("1").manifest("p", "one"), version)
    assert bench.changes == 2
    assert len(bench.capacity.nodes) == len(bench.capacity.pods) == 1


def test_pods_that_have_ended_are_not_even_asked_for() -> None:
    assert "podsstatus.phase!=Succeeded,status.phase!=Failed" in Bench().made


async def test_node_pools_are_followed_while_they_are_served() -> None:
    bench = Bench(pool())
    definitions = next(watch for watch in bench.watches.always if watch.resource == CRD)
    running = asyncio.create_task(bench.watches.run_node_pools(bench.followed))
    await bench.rest()
    assert not bench.watches._settled.is_set(), "it is not known whether they are served"
    definitions.synced.set()
    await bench.rest()
    await bench.watches.settled()
    assert bench.followed == []

    definitions.apply_write(definition("v1beta1"))
    await bench.rest()
    (watch,) = bench.followed
    assert watch.resource.api_version == "karpenter.sh/v1beta1"
    assert [relevant(obj).name for obj in bench.capacity.node_pools.values()] == ["pool"]

    definitions.apply_write(definition("v1beta1", "v1", version="2"))
    await bench.rest()
    (watch,) = bench.followed
    assert watch.resource.api_version == "karpenter.sh/v1"
    assert len(bench.capacity.node_pools) == 1

    changes = bench.changes
    definitions.apply_write(definition("v1", version="3", deletionTimestamp="2030-01-01T08:00:00Z"))
    await bench.rest()
    assert bench.followed == []
    assert bench.capacity.node_pools == {}
    assert bench.changes > changes
    running.cancel()
    await asyncio.wait({running})


async def test_the_first_look_waits_for_node_pools_that_are_served() -> None:
    bench = Bench(pool())
    definitions = next(watch for watch in bench.watches.always if watch.resource == CRD)
    definitions.apply_write(definition("v1", finalizers=["x"]))
    definitions.synced.set()
    running = asyncio.create_task(bench.watches.run_node_pools(bench.followed))
    await bench.watches.settled()
    assert len(bench.capacity.node_pools) == 1
    running.cancel()
    await asyncio.wait({running})
