"""The watches of nodes and pods, and of NodePools while these are served."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

import pytest

from crds.resources import CRD, NODE, POD, Resource
from reconciler.kinds.flavor.scheduling.capacity import Capacity, relevant
from reconciler.kinds.flavor.watches import CapacityWatches, served_version
from reconciler.kube.client import Client
from reconciler.kube.watch import Watch, WatchSpec
from tests.flavors.cases import Node, Pod
from tests.unit.kinds.flavor.scheduling.test_karpenter import pool

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
    """Watches that are told of objects by the test; those of NodePools begin with the pools and stay open."""

    def __init__(self, *pools: Object) -> None:
        self.pools = pools
        self.changes = 0
        self.capacity = Capacity()
        # Of NodePools, while they are followed.
        self.followed_versions: list[str] = []
        self.watches = CapacityWatches(self.capacity, self.changed)

    def changed(self) -> None:
        self.changes += 1

    def open(self, spec: WatchSpec) -> Watch:
        def tell(old: Object | None, new: Object | None) -> None:
            for handler in spec.handlers:
                assert list(handler(old, new)) == [], "who is looked at is said by the summaries"

        assert spec.store is not None
        return Watch(cast(Client, None), spec, tell, 300, 150)

    async def follow(self, spec: WatchSpec, synced: Callable[[], None]) -> None:
        watch = self.open(spec)
        self.followed_versions.append(spec.resource.api_version)
        try:
            for obj in self.pools:
                watch.apply_write(deepcopy(obj))
            synced()
            await asyncio.Event().wait()
        finally:
            self.followed_versions.remove(spec.resource.api_version)

    def see(self, resource: Resource, obj: Object, version: int = 1) -> None:
        (spec,) = (spec for spec in self.watches.specs() if spec.resource == resource)
        obj["metadata"] |= {"uid": obj["metadata"]["name"], "resourceVersion": str(version)}
        self.open(spec).apply_write(obj)

    def define(self, obj: Object) -> None:
        """Tell of Karpenter's definition."""
        (spec,) = (spec for spec in self.watches.specs() if spec.resource == CRD)
        self.open(spec).apply_write(obj)

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
    (pods,) = (spec for spec in Bench().watches.specs() if spec.resource == POD)
    assert pods.fields == "status.phase!=Succeeded,status.phase!=Failed"


async def test_node_pools_are_followed_while_they_are_served() -> None:
    bench = Bench(pool())
    settling = asyncio.create_task(bench.watches.settled())
    await bench.rest()
    assert not settling.done(), "it is not known whether they are served"
    running = asyncio.create_task(bench.watches.follow_node_pools(bench.follow))
    await settling
    assert bench.followed_versions == []

    bench.define(definition("v1beta1"))
    await bench.rest()
    assert bench.followed_versions == ["karpenter.sh/v1beta1"]
    assert [relevant(obj).name for obj in bench.capacity.node_pools.values()] == ["pool"]

    bench.define(definition("v1beta1", "v1", version="2"))
    await bench.rest()
    assert bench.followed_versions == ["karpenter.sh/v1"]
    assert len(bench.capacity.node_pools) == 1

    changes = bench.changes
    bench.define(definition("v1", version="3", deletionTimestamp="2030-01-01T08:00:00Z"))
    await bench.rest()
    assert bench.followed_versions == []
    assert bench.capacity.node_pools == {}
    assert bench.changes > changes
    running.cancel()
    await asyncio.wait({running})


async def test_the_first_look_waits_for_node_pools_that_are_served() -> None:
    bench = Bench(pool())
    bench.define(definition("v1", finalizers=["x"]))
    running = asyncio.create_task(bench.watches.follow_node_pools(bench.follow))
    await bench.watches.settled()
    assert len(bench.capacity.node_pools) == 1
    running.cancel()
    await asyncio.wait({running})
