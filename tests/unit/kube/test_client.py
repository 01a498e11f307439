"""The Kubernetes client, against a small HTTP server of this test."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from crds.resources import DEVSERVER, SECRET
from reconciler.kube.client import JSON_PATCH, ApiError, Client, connect
from reconciler.kube.objects import WatchEvent

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Object = dict[str, Any]


class Server:
    """Answers every request by `handler` and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[tuple[str, Any]] = []
        self.handler: Handler | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        if request.can_read_body:
            self.bodies.append((request.content_type, json.loads(await request.text())))
        assert self.handler is not None
        return await self.handler(request)

    def answers(self, body: object = None, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer everything with this. A string is sent as it is."""
        text = body if isinstance(body, str) else json.dumps(body)

        async def handler(request: web.Request) -> web.Response:
            return web.Response(text=text, status=status, headers=headers, content_type="application/json")

        self.handler = handler

    def streams(self, *chunks: bytes, broken: bool = False) -> None:
        """Answer with these chunks; broken: cut the connection after them."""

        async def handler(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            for chunk in chunks:
                await response.write(chunk)
            if broken:
                assert request.transport is not None
                request.transport.abort()
            return response

        self.handler = handler


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server that the kubeconfig leads to."""
    server = Server()
    application = web.Application(client_max_size=2**22)
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(kubeconfig_for(f"http://127.0.0.1:{port}")))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    yield server
    await runner.cleanup()


def kubeconfig_for(url: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"token": "test-token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }


@pytest.fixture
async def cluster(server: Server) -> AsyncIterator[Client]:
    async with connect() as cluster:
        yield cluster


def refusal(code: int, reason: str, message: str) -> Object:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


# --- single objects


async def test_get_returns_the_object_as_on_the_wire(server: Server, cluster: Client) -> None:
    server.answers({"kind": "Secret", "data": {"a": None}})
    assert await cluster.get(SECRET, "ns", "s") == {"kind": "Secret", "data": {"a": None}}
    assert server.requests == [("GET", "/api/v1/namespaces/ns/secrets/s", {})]


async def test_get_of_what_is_not_there_is_none(server: Server, cluster: Client) -> None:
    server.answers(refusal(404, "NotFound", 'secrets "s" not found'), status=404)
    assert await cluster.get(SECRET, "ns", "s") is None


@pytest.mark.parametrize(
    ("status", "body", "reason", "message"),
    [
        (403, refusal(403, "Forbidden", "you may not"), "Forbidden", "you may not"),
        (409, refusal(409, "Conflict", "it was changed"), "Conflict", "it was changed"),
        (422, refusal(422, "Invalid", "spec.x is wrong"), "Invalid", "spec.x is wrong"),
        (500, "a proxy says no", "Internal Server Error", "a proxy says no"),
        (503, "", "Service Unavailable", "Service Unavailable"),
        (502, "[]", "Bad Gateway", "[]"),
        (429, "null", "Too Many Requests", "null"),
    ],
)
async def test_a_refusal_has_status_reason_and_message(
    server: Server, cluster: Client, status: int, body: object, reason: str, message: str
) -> None:
    server.answers(body, status=status)
    with pytest.raises(ApiError) as error:
        await cluster.get(SECRET, "ns", "s")
    assert (error.value.status, error.value.reason) == (status, reason)
    assert message in str(error.value)


async def test_a_server_that_is_away_is_an_error_without_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(kubeconfig_for("http://127.0.0.1:1")))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with connect() as cluster:
        with pytest.raises(ApiError) as error:
            await cluster.get(SECRET, "ns", "s")
    assert (error.value.status, error.value.reason) == (0, "Unreachable")


@pytest.mark.parametrize(
    ("excepted", "answered"), [("", True), ("elsewhere.test", True), ("api.test", False), ("*", False)]
)
async def test_the_environments_proxy_is_used_unless_the_api_server_is_excepted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excepted: str, answered: bool
) -> None:
    proxy = yaml.safe_load((tmp_path / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig_for("http://api.test")))
    for name in ("HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", excepted)
    server.answers({"kind": "Secret"})
    async with connect() as cluster:
        if answered:
            assert await cluster.get(SECRET, "ns", "s") == {"kind": "Secret"}
        else:
            with pytest.raises(ApiError):
                await cluster.get(SECRET, "ns", "s")
    assert len(server.requests) == (1 if answered else 0)


async def test_an_answer_that_breaks_off_is_an_error_without_status(server: Server, cluster: Client) -> None:
    server.streams(b'{"kind": ', broken=True)
    with pytest.raises(ApiError) as error:
        await cluster.get(SECRET, "ns", "s")
    assert error.value.status == 0


@pytest.mark.parametrize("text", ["<html>", "", "{"])
async def test_an_answer_that_is_no_json_is_an_error(server: Server, cluster: Client, text: str) -> None:
    server.answers(text)
    with pytest.raises(ApiError):
        await cluster.get(SECRET, "ns", "s")


async def test_no_kubeconfig_is_an_error_that_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(ApiError, match="set KUBECONFIG"):
        async with connect():
            pass


async def test_writes_send_what_they_say(server: Server, cluster: Client) -> None:
    server.answers({})
    body = {"metadata": {"name": "box", "namespace": "ns", "resourceVersion": "5"}}
    await cluster.create(DEVSERVER, body)
    await cluster.replace(DEVSERVER, body)
    await cluster.patch(DEVSERVER, "ns", "box", {"spec": {}})
    await cluster.patch(DEVSERVER, "ns", "box", [{"op": "test"}], "status", content_type=JSON_PATCH)
    collection = "/apis/devserver.io/v1/namespaces/ns/devservers"
    assert [request[:2] for request in server.requests] == [
        ("POST", collection),
        ("PUT", f"{collection}/box"),
        ("PATCH", f"{collection}/box"),
        ("PATCH", f"{collection}/box/status"),
    ]
    assert server.bodies == [
        ("application/json", body),
        ("application/json", body),
        ("application/merge-patch+json", {"spec": {}}),
        ("application/json-patch+json", [{"op": "test"}]),
    ]


async def test_delete_names_the_life_and_version_it_means(server: Server, cluster: Client) -> None:
    server.answers({})
    assert await cluster.delete(SECRET, "ns", "s", "uid-1")
    assert await cluster.delete(SECRET, "ns", "s", "uid-1", "7")
    assert [body["preconditions"] for _, body in server.bodies] == [
        {"uid": "uid-1"},
        {"uid": "uid-1", "resourceVersion": "7"},
    ]
    assert {body["propagationPolicy"] for _, body in server.bodies} == {"Background"}


@pytest.mark.parametrize(("status", "reason"), [(404, "NotFound"), (409, "Conflict")])
async def test_delete_of_what_is_gone_or_another_deletes_nothing(
    server: Server, cluster: Client, status: int, reason: str
) -> None:
    server.answers(refusal(status, reason, "no"), status=status)
    assert not await cluster.delete(SECRET, "ns", "s", "uid-1")


async def test_delete_that_is_refused_is_an_error(server: Server, cluster: Client) -> None:
    server.answers(refusal(403, "Forbidden", "it belongs to someone else"), status=403)
    with pytest.raises(ApiError, match="belongs to someone else"):
        await cluster.delete(SECRET, "ns", "s", "uid-1")


# --- lists


async def test_a_list_is_read_page_by_page(server: Server, cluster: Client) -> None:
    pages = {"": ([1, 2], "more"), "more": ([3], "last"), "last": ([4], "")}

    async def page(request: web.Request) -> web.Response:
        items, following = pages[request.query.get("continue", "")]
        metadata = {"resourceVersion": "9", "continue": following}
        return web.json_response({"items": items, "metadata": metadata})

    server.handler = page
    assert await cluster.list_all(SECRET, "ns", "a=b") == ([1, 2, 3, 4], "9")
    assert [query.get("continue", "") for _, _, query in server.requests] == ["", "more", "last"]
    assert all(query["labelSelector"] == "a=b" for _, _, query in server.requests)


async def test_a_list_that_was_forgotten_while_paging_is_error_410(server: Server, cluster: Client) -> None:
    server.answers(refusal(410, "Expired", "the continue token is too old"), status=410)
    with pytest.raises(ApiError) as error:
        await cluster.list_all(SECRET)
    assert error.value.status == 410


# --- watches


def line(type_: str, **obj: Any) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


async def watched(cluster: Client, silence_s: float = 5.0) -> list[WatchEvent]:
    stream = cluster.watch(DEVSERVER, "", "a=b", "5", timeout_s=60, silence_s=silence_s)
    return [event async for event in stream]


async def test_a_watch_yields_events_until_the_server_ends_it(server: Server, cluster: Client) -> None:
    server.streams(line("ADDED", a=1), line("MODIFIED", a=2), line("BOOKMARK", a=3), line("DELETED", a=4))
    events = await watched(cluster)
    assert [(event.type, event.object["a"]) for event in events] == [
        ("ADDED", 1),
        ("MODIFIED", 2),
        ("BOOKMARK", 3),
        ("DELETED", 4),
    ]
    (_, path, query) = server.requests[0]
    assert path == "/apis/devserver.io/v1/devservers"
    assert query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "labelSelector": "a=b",
        "timeoutSeconds": "60",
    }


async def test_events_are_put_together_from_pieces(server: Server, cluster: Client) -> None:
    text = line("ADDED", name="first") + line("ADDED", name="second")
    server.streams(text[:7], text[7:40], text[40:])
    assert [event.object["name"] for event in await watched(cluster)] == ["first", "second"]


async def test_an_event_may_be_as_large_as_an_object_can_be(server: Server, cluster: Client) -> None:
    server.streams(line("ADDED", data="x" * 1_500_000), line("ADDED", data="y"))
    assert [len(event.object["data"]) for event in await watched(cluster)] == [1_500_000, 1]


async def test_an_error_event_is_an_error(server: Server, cluster: Client) -> None:
    server.streams(line("ADDED", a=1), line("ERROR", **refusal(410, "Expired", "too old resource version")))
    with pytest.raises(ApiError) as error:
        await watched(cluster)
    assert (error.value.status, error.value.reason) == (410, "Expired")


async def test_a_watch_that_is_refused_at_once_is_an_error(server: Server, cluster: Client) -> None:
    server.answers(refusal(410, "Expired", "too old resource version"), status=410)
    with pytest.raises(ApiError) as error:
        await watched(cluster)
    assert error.value.status == 410


@pytest.mark.parametrize(
    "rest", [line("ADDED", a=2), b'{"type": "MODI'], ids=["between events", "within an event"]
)
async def test_a_watch_that_breaks_off_is_an_error(server: Server, cluster: Client, rest: bytes) -> None:
    server.streams(line("ADDED", a=1), rest, broken=True)
    with pytest.raises(ApiError):
        await watched(cluster)


@pytest.mark.parametrize(
    "rest", [b'{"type": "MODI', b"<html>\n", b"[]\n"], ids=["half", "no JSON", "no event"]
)
async def test_a_watch_that_ends_with_nonsense_is_an_error(
    server: Server, cluster: Client, rest: bytes
) -> None:
    server.streams(line("ADDED", a=1), rest)
    with pytest.raises(ApiError):
        await watched(cluster)


async def test_a_silent_watch_times_out(server: Server, cluster: Client) -> None:
    told = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line("ADDED", a=1))
        await told.wait()
        return response

    server.handler = silent
    with pytest.raises(TimeoutError):
        await watched(cluster, silence_s=0.2)
    told.set()


async def test_a_watch_that_is_accepted_and_never_answered_times_out(server: Server, cluster: Client) -> None:
    told = asyncio.Event()

    async def mute(request: web.Request) -> web.StreamResponse:
        await told.wait()
        return web.Response()

    server.handler = mute
    with pytest.raises(TimeoutError):
        await watched(cluster, silence_s=0.2)
    told.set()


# --- outages


async def test_the_first_answer_after_an_outage_is_told_once(server: Server, cluster: Client) -> None:
    returns: list[str] = []
    server.answers({})
    await cluster.get(SECRET, "ns", "s")

    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def outage() -> None:
        server.handler = hang_up
        with pytest.raises(ApiError):
            await cluster.get(SECRET, "ns", "s")
        server.answers({})
        for _ in range(2):
            await cluster.get(SECRET, "ns", "s")

    await outage()
    cluster.on_return = lambda: returns.append("back")
    await outage()
    assert returns == ["back"]


# --- the clock


@pytest.mark.parametrize("offset_s", [-3600, 0, 90])
async def test_the_offset_of_the_servers_clock_is_read_from_the_date_header(
    server: Server, cluster: Client, offset_s: int
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=offset_s), usegmt=True)
    server.answers({}, headers={"Date": date})
    await cluster.get(SECRET, "ns", "s")
    assert abs(cluster.clock_offset_s - offset_s) < 2


@pytest.mark.parametrize("date", ["", "yesterday"])
async def test_a_date_that_cannot_be_read_leaves_the_offset_as_it_was(
    server: Server, cluster: Client, date: str
) -> None:
    server.answers({}, headers={"Date": date})
    await cluster.get(SECRET, "ns", "s")
    assert cluster.clock_offset_s == 0


async def test_a_watch_is_heard_when_it_is_taken_up_and_with_every_line(
    server: Server, cluster: Client
) -> None:
    server.streams(line("ADDED", a=1), line("BOOKMARK", a=2))
    heard: list[str] = []
    stream = cluster.watch(DEVSERVER, "", "", "5", 60, 5.0, lambda: heard.append("heard"))
    assert [(event.type, len(heard)) async for event in stream] == [("ADDED", 2), ("BOOKMARK", 3)]


async def test_a_watch_that_is_refused_is_not_heard(server: Server, cluster: Client) -> None:
    server.answers(refusal(500, "InternalError", "etcd is away"), status=500)
    heard: list[str] = []
    with pytest.raises(ApiError):
        await anext(cluster.watch(DEVSERVER, "", "", "5", 60, 5.0, lambda: heard.append("heard")))
    assert heard == []
