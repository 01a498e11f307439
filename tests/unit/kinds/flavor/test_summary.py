"""How it stands with the flavors, and when it is looked at."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from crds.times import parse_time
from reconciler.kinds.flavor.kind import FlavorKind
from reconciler.kinds.flavor.scheduling import capacity
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.summary import FlavorSummary, summaries, use
from reconciler.status.conditions import StatusPatch
from tests.builders import CREATED, cache, kinds, resource
from tests.clock import Clock
from tests.flavors.cases import Node
from tests.metering import Growth
from tests.patience import until

Object = dict[str, Any]
NOW = parse_time(CREATED)


def flavor(name: str = "gpu", created: str = "2030-01-01T08:00:00Z", **spec: Any) -> Object:
    made = resource("DevServerFlavor", name, **spec)
    made["metadata"]["creationTimestamp"] = created
    return made


def known(*objects: Object, nodes: int = 1, clock: Clock | None = None) -> FlavorKind:
    """Flavors among these objects, with so many nodes of one size."""
    kind = kinds(*objects, clock=clock or Clock()).flavor
    for index in range(nodes):
        node = Node().manifest(f"node-{index}", "case")
        kind.summaries.capacity.nodes["", f"node-{index}"] = capacity.reduce_node(node)
    return kind


def summary(of: FlavorKind, name: str = "gpu") -> FlavorSummary:
    return dict(summaries(of.cache, of.summaries.capacity, [name]))[name]


# --- who uses a flavor

PENDING = {"conditions": [{"type": "RestartPending", "status": "True"}]}


@pytest.mark.parametrize(
    ("devserver", "named", "pending"),
    [
        (resource("DevServer"), None, False),
        (resource("DevServer", flavor="gpu"), "gpu", False),
        (resource("DevServer", status={"flavor": "gpu"}), "gpu", False),
        (resource("DevServer", flavor="new", status={"flavor": "old"} | PENDING), "new", True),
    ],
    ids=["none yet", "named", "got the default", "named another since"],
)
def test_the_flavor_that_a_devserver_uses(devserver: Object, named: str | None, pending: bool) -> None:
    assert (use(devserver).flavor, use(devserver).pending_restart) == (named, pending)


def test_those_that_use_a_flavor_are_counted() -> None:
    boxes = [
        resource("DevServer", "a", flavor="gpu"),
        resource("DevServer", "b", status={"flavor": "gpu"} | PENDING),
        resource("DevServer", "c", flavor="cpu"),
        resource("DevServer", "d"),
    ]
    found = summary(known(flavor(), *boxes))
    assert (found.devservers, found.pending_restarts) == (2, 1)


def test_a_flavor_that_is_gone_has_no_summary() -> None:
    assert dict(summaries(cache(), Capacity(), ["gpu"])) == {}


# --- the verdict


def test_a_flavor_that_cannot_be_read_is_unknown_with_the_field() -> None:
    odd = flavor(resources={"requests": {"cpu": "lots"}})
    found = summary(known(odd)).fit
    assert (found.answer, found.reason, found.fitting_nodes) == ("Unknown", "InvalidSpec", 0)
    assert "spec.resources.requests.cpu" in found.message


def test_a_runtime_class_that_cannot_be_read_is_unknown_with_the_resource() -> None:
    seen = known(flavor(runtimeClassName="kata"))
    odd = {"metadata": {"name": "kata"}, "overhead": {"podFixed": {"cpu": "lots"}}}
    seen.summaries.capacity.runtime_classes["", "kata"] = capacity.reduce_runtime_class(odd)
    found = summary(seen).fit
    assert (found.answer, found.reason) == ("Unknown", "UnreadableQuantity")
    assert found.message.startswith("cpu: 'lots' is not a quantity")


PRIORITIES = [
    ([], (True, "LowerPriorityGivesWay")),
    ([{"value": 5, "globalDefault": True}], (True, "LowerPriorityGivesWay")),
    ([{"value": 5}], (True, "LowerPriorityGivesWay")),
    ([{"value": -20, "globalDefault": True}], (False, "NoNodeFits")),
    ([{"value": 5, "globalDefault": True}, {"value": -20, "globalDefault": True}], (False, "NoNodeFits")),
    ([{"value": 5, "globalDefault": True, "preemptionPolicy": "Never"}], (False, "NoNodeFits")),
]


@pytest.mark.parametrize(
    ("classes", "expected"),
    PRIORITIES,
    ids=["none", "above", "not the default", "below", "the lower of two defaults", "does not displace"],
)
def test_the_priority_of_devservers_is_the_clusters_default(
    classes: list[Object], expected: tuple[bool, str]
) -> None:
    seen = known(flavor(resources={"requests": {"cpu": 4}}))
    for index, item in enumerate(classes):
        found = capacity.reduce_priority_class({"metadata": {"name": f"p{index}"}, **item})
        seen.summaries.capacity.priority_classes["", f"p{index}"] = found
    held: Object = {
        "metadata": {"name": "held", "namespace": "x"},
        "spec": {
            "nodeName": "node-0",
            "priority": -10,
            "containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}],
        },
    }
    seen.summaries.capacity.pods["x", "held"] = capacity.reduce_pod(held)
    found = summary(seen).fit
    assert (found.answer == "Yes", found.reason) == expected


# --- the status


def status_of(seen: FlavorKind, name: str) -> StatusPatch:
    return seen.conditions(seen.cache.resources["DevServerFlavor"]["", name], None, None, NOW)


async def test_the_status_says_what_was_found() -> None:
    seen = known(flavor(), resource("DevServer", flavor="gpu"))
    assert status_of(seen, "gpu") == StatusPatch(conditions={"DefaultFlavor": None}), "nothing was found yet"
    seen.summaries.touch_all()
    await seen.summaries.work(lambda name: None)
    patch = status_of(seen, "gpu")
    assert patch.fields == {"schedulable": "Yes", "fittingNodes": 1, "devServers": 1, "pendingRestarts": 0}
    schedulable = patch.conditions["Schedulable"]
    assert schedulable is not None
    assert (schedulable.status, schedulable.message) == ("True", "1 of 1 node has room.")


@pytest.mark.parametrize(
    ("flavors", "winner"),
    [
        ([flavor("b", default=True), flavor("a", "2031-01-01T08:00:00Z", default=True)], "b"),
        ([flavor("b", default=True), flavor("a", default=True)], "a"),
        ([flavor("a"), flavor("b", default=True)], "b"),
    ],
    ids=["the oldest", "by name among equals", "of those that are marked"],
)
def test_one_default_wins_and_the_others_are_told(flavors: list[Object], winner: str) -> None:
    seen = known(*flavors)
    for made in flavors:
        stated = status_of(seen, made["metadata"]["name"]).conditions["DefaultFlavor"]
        if not made["spec"].get("default"):
            assert stated is None
            continue
        assert stated is not None
        if made["metadata"]["name"] == winner:
            assert (stated.status, stated.reason, stated.warns) == ("True", "OldestDefault", False)
        else:
            assert (stated.status, stated.reason, stated.warns) == ("False", "OlderDefaultExists", True)
            assert f"DevServerFlavor {winner} is an older default" in stated.message


def test_a_default_on_its_way_out_is_none() -> None:
    leaving = flavor("a", default=True)
    leaving["metadata"]["deletionTimestamp"] = "2030-01-02T08:00:00Z"
    seen = known(leaving, flavor("b", "2031-01-01T08:00:00Z", default=True))
    assert status_of(seen, "a").conditions["DefaultFlavor"] is None
    other = status_of(seen, "b").conditions["DefaultFlavor"]
    assert other is not None
    assert other.reason == "OldestDefault"


# --- when


async def test_bursts_are_looked_at_once_in_two_seconds_and_the_last_state_counts() -> None:
    clock, changed, growth = Clock(), list[str](), Growth()
    seen = known(flavor(), flavor("cpu"), clock=clock).summaries
    for second in range(10):
        for _ in range(100):
            seen.touch_all()
        await seen.work(changed.append)
        if second == 8:
            seen.capacity.nodes.clear()
        clock.now += 1
    seen.touch_all()
    await seen.work(changed.append)
    # Two flavors, at most at 0, 2, 4, 6, 8 and 10 s.
    assert growth("devserver_schedulable_looks_total") == 2 * 6
    assert changed == ["cpu", "gpu"] * 2, "at first and when the nodes were gone"
    last = seen.of("gpu")
    assert last is not None
    assert last.fit.answer == "No"


async def test_all_are_looked_at_again_after_a_long_time_though_nothing_happened() -> None:
    clock, growth = Clock(), Growth()
    seen = replace(known(flavor(), clock=clock).summaries, refresh_s=0.05)
    running = asyncio.create_task(seen.run(lambda name: None))

    def looked_three_times() -> bool:
        clock.now += 600
        return growth("devserver_schedulable_looks_total") >= 3

    await until(looked_three_times)
    running.cancel()


async def test_an_object_that_nobody_foresaw_does_not_end_it() -> None:
    seen = known(flavor()).summaries
    seen.capacity.nodes["", "odd"] = {"metadata": {"name": "odd"}, "seen": None}
    running = asyncio.create_task(seen.run(lambda name: None))
    with capture_logs() as logs:
        await until(lambda: logs)
    assert not running.done()
    assert [line["event"] for line in logs] == ["looking at flavors failed"]
    running.cancel()
