"""The HTTP server: /metrics for Prometheus, /healthz and /readyz for the kubelet and for people."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from reconciler.telemetry.health import Health
from reconciler.telemetry.metrics import REGISTRY

_log = structlog.get_logger()
# An open connection delays the end of the process for at most this time.
_SHUTDOWN_S = 0.2


class ServerError(Exception):
    """The server cannot listen on its address and port."""


@asynccontextmanager
async def serving(host: str | None, port: int, health: Health) -> AsyncIterator[int]:
    """Serve until the block ends. Yields the port. Raises ServerError.

    host: the address to listen on; None for all. port: 0 for any free port.
    """
    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", _metrics),
            web.get("/healthz", _verdict(health.ailments)),
            web.get("/readyz", _verdict(health.unreadiness)),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
    listener = _listener(host, port)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        bound: int = listener.getsockname()[1]
        _log.info("serving", port=bound)
        yield bound
    finally:
        await runner.cleanup()
        listener.close()


def _listener(host: str | None, port: int) -> socket.socket:
    try:
        if host is None and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        family = socket.AF_INET6 if ":" in (host or "") else socket.AF_INET
        return socket.create_server((host or "", port), family=family)
    except OSError as error:
        raise ServerError(
            f"cannot listen on port {port} for /metrics and /healthz: {error.strerror or error}; set "
            "DEVSERVER_HTTP_PORT (0: any free port) or DEVSERVER_HTTP_HOST"
        ) from error


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _verdict(faults: Callable[[], list[str]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        found = faults()
        return web.Response(text="\n".join(found or ["ok"]) + "\n", status=503 if found else 200)

    return answer
