import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils, web

from bench.api import Api, Follower
from bench.errors import BenchError
from bench.grounds import bare, is_applied, named_problem
from bench.logins import STEPS, split, stages
from bench.operator import Log, events
from bench.promises import devserver_says, pod_says
from bench.report import median, percentile
from tests.patience import PATIENCE_S

TEN = [float(number) for number in range(10, 0, -1)]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        (TEN, 50, 5.0),
        (TEN, 95, 10.0),
        (TEN, 10, 1.0),
        (TEN, 11, 2.0),
        (TEN, 0, 1.0),
        (TEN, 100, 10.0),
        ([3.0], 95, 3.0),
    ],
)
def test_a_percentile_is_the_value_of_its_nearest_rank(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_there_is_no_percentile_of_nothing_or_beyond_all(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_a_median_of_an_even_number_lies_between_the_middle_ones() -> None:
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5
    with pytest.raises(ValueError, match="no values"):
        median([])


def test_lines_that_are_no_json_have_no_event() -> None:
    lines = ['{"event": "run starts"}', "Traceback (most recent call last):", "[1]", '{"level": "info"}']
    assert events(lines) == ["run starts", ""]


def test_a_log_is_read_on_and_a_line_counts_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text('{"event": "run starts"}\n{"event": "destroy ')
    log = Log(file)
    assert log.count("run starts", "destroy starts") == 1
    with file.open("a") as writer:
        writer.write('starts"}\n{"event": "run ended"}\n')
    assert log.count("run starts", "destroy starts") == 2
    assert log.count("destroy starts") == 1


def devserver(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "status": {"conditions": list(conditions)}}


READY = {"type": "Ready", "status": "False", "reason": "Stopped", "observedGeneration": 2}


@pytest.mark.parametrize(
    ("obj", "applied"),
    [
        (None, False),
        ({"metadata": {"generation": 1}}, False),
        (devserver(READY), True),
        (devserver({**READY, "observedGeneration": 1}), False),
        (devserver(READY, {"type": "Reconciling", "reason": "RunFailed"}), False),
        (devserver(READY, {"type": "Stalled", "reason": "NameConflict"}), False),
    ],
)
def test_a_devserver_is_applied_when_its_present_generation_is_and_nothing_is_left(
    obj: dict[str, Any] | None, applied: bool
) -> None:
    assert is_applied(obj) is applied


def test_a_problem_is_named_by_its_reason() -> None:
    assert named_problem(devserver(READY, {"type": "Stalled", "reason": "NameConflict"})) == "NameConflict"
    assert named_problem(devserver(READY)) is None
    assert named_problem(None) is None


def service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "box-ssh",
            "namespace": "bench",
            "uid": "1",
            "resourceVersion": "2",
            "labels": {"app.kubernetes.io/managed-by": "devserver-reconciler", "devserver.io/name": "box"},
            "ownerReferences": [{"kind": "DevServer", "name": "box"}],
            "managedFields": [{"manager": "devserver-reconciler"}],
        },
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def test_a_bare_child_is_the_same_object_under_another_name_and_belongs_to_nobody() -> None:
    live = service(clusterIP="10.0.0.7", clusterIPs=["10.0.0.7"], ports=[{"port": 22}])
    before = json.dumps(live)
    made = bare(live, "other", "bare-1", "box")
    assert made == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "bare-1-ssh",
            "namespace": "other",
            "labels": {"app.kubernetes.io/managed-by": "devserver-bench", "devserver.io/name": "bare-1"},
            "annotations": {},
        },
        "spec": {"ports": [{"port": 22}]},
    }
    assert json.dumps(live) == before


def test_a_headless_service_stays_headless() -> None:
    made = bare(service(clusterIP="None", clusterIPs=["None"]), "other", "bare-1", "box")
    assert made["spec"] == {"clusterIP": "None", "clusterIPs": ["None"]}


@pytest.mark.parametrize(
    ("conditions", "reached"),
    [
        ({}, set()),
        ({"PodScheduled": "False"}, set()),
        ({"PodScheduled": "True", "Initialized": "False"}, {"schedule"}),
        ({"PodScheduled": "True", "Initialized": "True", "Ready": "False"}, {"schedule", "init"}),
        ({"PodScheduled": "True", "Initialized": "True", "Ready": "True"}, {"schedule", "init", "ready"}),
    ],
)
def test_the_stages_of_a_pod_are_read_from_its_conditions(
    conditions: dict[str, str], reached: set[str]
) -> None:
    listed = [{"type": type_, "status": status} for type_, status in conditions.items()]
    assert stages({"status": {"conditions": listed}}) == reached
    assert stages({}) == set()


@pytest.mark.parametrize(
    ("ends", "parts"),
    [
        ((0.5, 0.6, 2.0, 3.5), (0.5, 0.1, 1.4, 1.5)),
        # Scheduled before the last child was seen: that took nothing more.
        ((0.5, 0.4, 2.0, 3.5), (0.5, 0.0, 1.5, 1.5)),
    ],
)
def test_the_steps_of_a_login_add_up_to_it(ends: tuple[float, ...], parts: tuple[float, ...]) -> None:
    found = split(dict(zip(STEPS, ends, strict=True)))
    assert found == pytest.approx(dict(zip(STEPS, parts, strict=True)))
    assert sum(found.values()) == pytest.approx(ends[-1])


def pod(reason: str) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}}


def test_an_image_that_cannot_be_is_told_of_by_the_pod_first() -> None:
    assert [pod_says(it) for it in (None, {}, pod("PodInitializing"), pod("InvalidImageName"))] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("type_", "reason", "says"),
    [
        ("Ready", "InvalidImageName", True),
        ("Ready", "PodStarting", False),
        ("Reconciling", "InvalidImageName", False),
    ],
)
def test_the_devserver_tells_of_it_in_the_condition_ready(type_: str, reason: str, says: bool) -> None:
    assert devserver_says({"status": {"conditions": [{"type": type_, "reason": reason}]}}) is says
    assert not devserver_says(None)


def event(type_: str, name: str, version: int) -> dict[str, Any]:
    return {"type": type_, "object": {"metadata": {"name": name, "resourceVersion": str(version)}}}


async def followed(said: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What a Follower is told of until there is a `b`.

    said: by the version from which a watch is asked for, what it says before it is closed. The first from 2 is refused.
    """
    asked: list[str] = []
    told: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        version = request.query["resourceVersion"]
        asked.append(version)
        if version == "2" and asked.count("2") == 1:
            raise web.HTTPServiceUnavailable
        response = web.StreamResponse()
        await response.prepare(request)
        for item in said[version]:
            await response.write(json.dumps(item).encode() + b"\n")
        return response

    app = web.Application()
    app.router.add_get("/things", answer)
    async with test_utils.TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        follower = Follower(Api(session), "/things")
        follower.listeners.append(lambda name, obj: told.append(name if obj else f"no {name}"))
        async with follower:
            await follower.wait_for({"b"}, lambda obj: obj is not None, "there is a b", PATIENCE_S)
    return told


async def test_a_watch_that_ends_or_is_refused_goes_on_where_it_was() -> None:
    said = {
        "1": [event("ADDED", "a", 2)],
        "2": [event("MODIFIED", "a", 3)],
        "3": [event("DELETED", "a", 4), event("ADDED", "b", 5)],
        "5": [],
    }
    assert await followed(said) == ["a", "a", "no a", "b"]


async def test_a_watch_that_is_told_of_an_error_fails_with_what_it_says() -> None:
    error = {"type": "ERROR", "object": {"message": "too old"}}
    with pytest.raises(BenchError, match="watch of /things: too old"):
        await followed({"1": [error]})
