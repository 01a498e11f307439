"""How it stands with the flavors, and when it is looked at."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconciler import capacity
from reconciler.flavor_views import FlavorViews, shows, use, views
from reconciler.queue import Key
from reconciler.world import World
from tests import builders
from tests.builders import resource
from tests.clock import Clock
from tests.flavors.cases import Node
from tests.metering import Growth

Object = dict[str, Any]


def flavor(name: str = "gpu", created: str = "2030-01-01T08:00:00Z", **spec: Any) -> Object:
    made = resource("DevServerFlavor", name, **spec)
    made["metadata"]["creationTimestamp"] = created
    return made


def world(*objects: Object, nodes: int = 1) -> World:
    seen = builders.world(*objects)
    for index in range(nodes):
        node = Node().manifest(f"node-{index}", "case")
        seen.capacity.nodes["", f"node-{index}"] = capacity.essence_of_node(node)
    return seen


def view(seen: World, name: str = "gpu") -> Any:
    return dict(views(seen, [name]))[name]


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
    found = view(world(flavor(), *boxes))
    assert (found.devservers, found.pending_restarts) == (2, 1)


def test_a_flavor_that_is_gone_has_no_view() -> None:
    assert dict(views(world(), ["gpu"])) == {}


# --- the verdict


def test_a_flavor_that_cannot_be_read_is_unknown_with_the_field() -> None:
    odd = flavor(resources={"requests": {"cpu": "lots"}})
    found = view(world(odd)).verdict
    assert (found.answer, found.reason, found.fitting_nodes) == ("Unknown", "InvalidSpec", 0)
    assert "spec.resources.requests.cpu" in found.message


def test_a_runtime_class_that_cannot_be_read_is_unknown_with_the_resource() -> None:
    seen = world(flavor(runtimeClassName="kata"))
    odd = {"metadata": {"name": "kata"}, "overhead": {"podFixed": {"cpu": "lots"}}}
    seen.capacity.runtime_classes["", "kata"] = capacity.essence_of_runtime_class(odd)
    found = view(seen).verdict
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
    seen = world(flavor(resources={"requests": {"cpu": 4}}))
    for index, item in enumerate(classes):
        found = capacity.essence_of_priority_class({"metadata": {"name": f"p{index}"}, **item})
        seen.capacity.priority_classes["", f"p{index}"] = found
    held: Object = {
        "metadata": {"name": "held", "namespace": "x"},
        "spec": {
            "nodeName": "node-0",
            "priority": -10,
            "containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}],
        },
    }
    seen.capacity.pods["x", "held"] = capacity.essence_of_pod(held)
    found = view(seen).verdict
    assert (found.answer == "Yes", found.reason) == expected


# --- the status


def shown(seen: World, name: str) -> tuple[Any, Any]:
    given = shows(seen, Key("DevServerFlavor", "", name), seen.resources["DevServerFlavor"]["", name])
    return given.fields, given.conditions


def test_the_status_says_what_was_found() -> None:
    seen = world(flavor(), resource("DevServer", flavor="gpu"))
    assert shown(seen, "gpu") == ({}, {"DefaultFlavor": None}), "nothing was found yet"
    seen.flavor_views["gpu"] = view(seen)
    fields, conditions = shown(seen, "gpu")
    assert fields == {"schedulable": "Yes", "fittingNodes": 1, "devServers": 1, "pendingRestarts": 0}
    assert conditions["Schedulable"].status == "True"
    assert conditions["Schedulable"].message == "1 of 1 node has room."


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
    seen = world(*flavors)
    for made in flavors:
        stated = shown(seen, made["metadata"]["name"])[1]["DefaultFlavor"]
        if not made["spec"].get("default"):
            assert stated is None
        elif made["metadata"]["name"] == winner:
            assert (stated.status, stated.reason, stated.warns) == ("True", "OldestDefault", False)
        else:
            assert (stated.status, stated.reason, stated.warns) == ("False", "OlderDefaultExists", True)
            assert f"DevServerFlavor {winner} is an older default" in stated.message


def test_a_default_on_its_way_out_is_none() -> None:
    leaving = flavor("a", default=True)
    leaving["metadata"]["deletionTimestamp"] = "2030-01-02T08:00:00Z"
    seen = world(leaving, flavor("b", "2031-01-01T08:00:00Z", default=True))
    assert shown(seen, "a")[1]["DefaultFlavor"] is None
    assert shown(seen, "b")[1]["DefaultFlavor"].reason == "OldestDefault"


# --- when


async def test_bursts_are_looked_at_once_in_two_seconds_and_the_last_state_counts() -> None:
    seen, clock, woken, growth = world(flavor(), flavor("cpu")), Clock(), [], Growth()
    looked = FlavorViews(seen, woken.append, clock, refresh_s=600)
    for second in range(10):
        for _ in range(100):
            looked.touch_all()
        await looked.work()
        if second == 8:
            seen.capacity.nodes.clear()
        clock.now += 1
    looked.touch_all()
    await looked.work()
    # Two flavors, at most at 0, 2, 4, 6, 8 and 10 s.
    assert growth("devserver_schedulable_looks_total") == 2 * 6
    assert woken == ["cpu", "gpu"] * 2, "at first and when the nodes were gone"
    assert seen.flavor_views["gpu"].verdict.answer == "No"


async def test_all_are_looked_at_again_after_a_long_time_though_nothing_happened() -> None:
    seen, clock, growth = world(flavor()), Clock(), Growth()
    looked = FlavorViews(seen, lambda name: None, clock, refresh_s=0.05)
    running = asyncio.create_task(looked.run())
    for _ in range(4):
        clock.now += 600
        await asyncio.sleep(0.06)
    running.cancel()
    assert growth("devserver_schedulable_looks_total") >= 3


async def test_an_object_that_nobody_foresaw_does_not_end_it() -> None:
    seen = world(flavor())
    seen.capacity.nodes["", "odd"] = {"metadata": {"name": "odd"}, "seen": None}
    looked = FlavorViews(seen, lambda name: None, Clock(), refresh_s=600)
    running = asyncio.create_task(looked.run())
    with capture_logs() as logs:
        await asyncio.sleep(0.01)
    assert not running.done()
    assert [line["event"] for line in logs] == ["looking at flavors failed"]
    running.cancel()
