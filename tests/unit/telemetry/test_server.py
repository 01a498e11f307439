"""The HTTP server, by requests over loopback."""

import asyncio
import socket
import time

import aiohttp
import pytest

from reconciler.telemetry.health import Health, Limits
from reconciler.telemetry.server import ServerError, serving
from tests.patience import generous

LIMITS = Limits(silence_s=300, run_s=180, pass_s=1200)


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize("host", [None, "127.0.0.1"])
async def test_metrics_are_in_the_text_format(host: str | None) -> None:
    async with (
        serving(host, 0, Health(LIMITS)) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# TYPE controller_runtime_reconcile_total counter" in await answer.text()


async def test_health_is_503_with_a_plain_reason_and_recovers() -> None:
    silences = {"pods": 10.0}
    async with serving("127.0.0.1", 0, Health(LIMITS, silences=lambda: silences)) as port:
        assert await get(port, "/healthz") == (200, "ok\n")
        silences["pods"] = 1000.0
        status, text = await get(port, "/healthz")
        assert status == 503
        assert text == "the watch of pods has heard nothing from the API server for 1000 s (limit 300 s)\n"
        silences["pods"] = 0.0
        assert await get(port, "/healthz") == (200, "ok\n")


async def test_readiness_waits_for_the_first_lists() -> None:
    unsynced = ["pods"]
    async with serving("127.0.0.1", 0, Health(LIMITS, unsynced=lambda: unsynced)) as port:
        assert await get(port, "/readyz") == (503, "the first list of pods is not in yet\n")
        unsynced.clear()
        assert await get(port, "/readyz") == (200, "ok\n")


async def test_nothing_else_is_served() -> None:
    async with serving("127.0.0.1", 0, Health(LIMITS)) as port:
        assert (await get(port, "/"))[0] == 404
        assert (await get(port, "/metrics", "POST"))[0] == 405


async def test_a_port_in_use_is_an_error_that_says_what_to_set() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServerError, match=r"in use.*DEVSERVER_HTTP_PORT"),
    ):
        async with serving("127.0.0.1", taken.getsockname()[1], Health(LIMITS)):
            pytest.fail("it serves")


async def test_an_address_that_is_not_ours_is_an_error_too() -> None:
    with pytest.raises(ServerError, match="DEVSERVER_HTTP_HOST"):
        async with serving("192.0.2.1", 0, Health(LIMITS)):
            pytest.fail("it serves")


async def test_a_client_that_says_nothing_holds_up_no_end() -> None:
    async with serving("127.0.0.1", 0, Health(LIMITS)) as port:
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        _, halfway = await asyncio.open_connection("127.0.0.1", port)
        halfway.write(b"GET /metrics HTTP/1.1\r\nHost: ")
        await halfway.drain()
        await asyncio.sleep(0.05)
        began = time.monotonic()
    assert time.monotonic() - began < generous(2)
    for writer in (silent, halfway):
        writer.close()
