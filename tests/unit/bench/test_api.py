"""The bench's watches, against a small HTTP server."""

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils, web

from bench.api import Api, Follower
from bench.errors import BenchError
from tests.patience import PATIENCE_S


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
