"""A proxy in front of the API server: it counts writes, logs requests, and is where connections go wrong.

It runs in a thread of its own. What a test says to it holds at once: for requests that begin later and, where
said so, for those in progress.
"""

import asyncio
import base64
import io
import itertools
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from tests.faults.certificate import make_server_context
from tests.patience import PATIENCE_S

_T = TypeVar("_T")

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# They belong to one connection, or are made anew for the other one.
_HOP_BY_HOP = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"}
)
# A line of a watch holds a whole object.
_LONGEST_LINE = 1 << 23


@dataclass
class Exchange:
    """A request that reached the proxy.

    started: by time.monotonic(). write: its number among the writes, from 1; 0 if it is none.
    status: of the answer; 0 while, or if, there is none.
    """

    started: float
    method: str
    path: str
    query: dict[str, str]
    agent: str
    body: bytes
    write: int
    status: int = 0

    @property
    def is_watch(self) -> bool:
        """Whether it follows changes."""
        return self.query.get("watch") in ("true", "1")


@dataclass(frozen=True)
class Answer:
    """An answer in the API server's place: a Status, if it is an error."""

    status: int
    body: dict[str, Any]


def refusal(code: int, reason: str, message: str) -> Answer:
    """The API server's way to say no."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return Answer(code, body | {"reason": reason, "message": message})


class Cut(Exception):
    """Raised by a hook: the connection is dropped, the client gets no answer."""


Before = Callable[[Exchange], Answer | None]
After = Callable[[Exchange], None]


@dataclass(eq=False)
class _Strike:
    """What happens at one write. answered: after the API server has carried it out."""

    write: int
    action: Callable[[], object]
    answered: bool
    done: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Between clients that use `kubeconfig` and the API server.

    log: all requests since the last reset, in the order in which they came. delay_s: added before each.
    clock_ahead_s: how far the API server's clock seems to be ahead, by the Date of its answers.
    """

    def __init__(self, upstream: Path, directory: Path) -> None:
        """upstream: the kubeconfig to stand in for. directory: for the proxy's files."""
        config = yaml.safe_load(upstream.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._server = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._upstream_context = ssl.create_default_context(cadata=authority)
        self._context, own_authority = make_server_context(directory)

        self.log: list[Exchange] = []
        self.delay_s = 0.0
        self.clock_ahead_s = 0.0
        self._writes = itertools.count(1)
        self._before: list[Before] = []
        self._after: list[After] = []
        self._strikes: list[_Strike] = []
        self._watches_expired = False
        self._connections: set[asyncio.Transport] = set()
        self._watching: set[asyncio.Task[Any]] = set()

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve_forever, name="fault proxy", daemon=True)
        self._up = threading.Event()
        self._thread.start()
        assert self._up.wait(PATIENCE_S), "the proxy did not start"

        cluster["server"] = f"https://127.0.0.1:{self._port}"
        cluster["certificate-authority-data"] = base64.b64encode(own_authority).decode()
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def close(self) -> None:
        """Drop all connections and end."""
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    # What tests ask

    def reset(self) -> None:
        """Forget the log and the strikes; the next write is the first."""

        def forget() -> None:
            self.log.clear()
            self._writes = itertools.count(1)
            self._strikes.clear()

        self._do(forget)

    def writes(self) -> list[Exchange]:
        """The writes that counted since the last reset."""
        return self._do(lambda: [exchange for exchange in self.log if exchange.write])

    # What tests do to requests

    def at_write(self, number: int, action: Callable[[], object], answered: bool) -> threading.Event:
        """Call `action` at the Nth write from the last reset on, then drop its connection.

        answered: the API server has carried it out, but the client never hears of it; else it never arrives there.
        Returns an event that is set when it is done. The action must be quick: nothing passes until it returns.
        """
        strike = _Strike(number, action, answered)
        self._do(lambda: self._strikes.append(strike))
        return strike.done

    @contextmanager
    def before(self, hook: Before) -> Iterator[None]:
        """Call the hook before each request is passed on; what it returns is the answer. It may raise Cut.

        It runs in a thread of its own: it may take time and talk to the cluster.
        """
        yield from self._with(self._before, hook)

    @contextmanager
    def after(self, hook: After) -> Iterator[None]:
        """Call the hook when the API server has answered, but the client does not know yet. It may raise Cut."""
        yield from self._with(self._after, hook)

    @contextmanager
    def hang(self) -> Iterator[None]:
        """Nothing is answered: requests in progress fall silent, new connections are accepted and left alone.

        Afterwards these connections are cut.
        """
        self._call(self._hang())
        yield
        self._call(self._resume())

    @contextmanager
    def refuse(self) -> Iterator[None]:
        """All connections are cut and new ones refused."""
        self._call(self._stop_listening())
        self.cut()
        yield
        self._call(self._listen())

    def cut(self) -> None:
        """Cut all connections."""
        self._do(self._cut)

    # What tests do to watches

    def close_watches(self) -> None:
        """End all watches, as the API server does when their time is over."""
        self._do(self._end_watches)

    @contextmanager
    def expire_watches(self) -> Iterator[None]:
        """All versions are too old: watches in progress end, new ones are answered with 410 Gone."""

        def expire(expired: bool) -> None:
            self._watches_expired = expired
            if expired:
                self._end_watches()

        self._do(lambda: expire(True))
        yield
        self._do(lambda: expire(False))

    # The thread

    def _serve_forever(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._up.set()
        self._loop.run_forever()

    def _call(self, coroutine: Awaitable[_T]) -> _T:
        async def run() -> _T:
            return await coroutine

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE_S)

    def _do(self, function: Callable[[], _T]) -> _T:
        """Call the function between two steps of any request."""

        async def run() -> _T:
            return function()

        return self._call(run())

    def _with(self, hooks: list[_T], hook: _T) -> Iterator[None]:
        self._do(lambda: hooks.append(hook))
        yield
        self._do(lambda: hooks.remove(hook))

    async def _start(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._upstream_context),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=_LONGEST_LINE,
        )
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, handler_cancellation=True), shutdown_timeout=0.1
        )
        await self._runner.setup()
        self._port = 0
        await self._listen()

    async def _stop(self) -> None:
        await self._stop_listening()
        self._cut()
        await self._runner.cleanup()
        await self._session.close()
        # Connections that are just being made belong to tasks, which close them.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What was closed or cut is gone a few steps of the loop later, TLS below its connection.
        await _steps()

    async def _listen(self) -> None:
        server = self._runner.server
        assert server is not None
        self._listening = await self._loop.create_server(
            server, "127.0.0.1", self._port, ssl=self._context, reuse_address=True
        )
        self._port = self._listening.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        """Take no more connections. Those that were just accepted are made first: without their server they cannot be,
        and asyncio would leave their sockets open.
        """
        for listening in self._listening.sockets:
            self._loop.remove_reader(listening.fileno())
        await _steps()
        self._listening.close()

    async def _hang(self) -> None:
        self._open.clear()
        await self._stop_listening()

        def leave_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer.transport)  # type: ignore[arg-type]

        self._listening = await asyncio.start_server(leave_alone, "127.0.0.1", self._port, reuse_address=True)

    async def _resume(self) -> None:
        await self._stop_listening()
        self._cut()
        self._open.set()
        await self._listen()

    def _cut(self) -> None:
        for transport in tuple(self._connections):
            transport.abort()
        self._connections.clear()

    def _end_watches(self) -> None:
        for task in tuple(self._watching):
            task.cancel()

    # A request

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._connections.add(transport)
        exchange = self._note(request, await request.content.read())
        if exchange.is_watch:
            response = await self._answer(exchange, request)
        else:
            # What arrived here is carried out even if the client dies meanwhile, as on any network.
            response = await asyncio.shield(self._loop.create_task(self._answer(exchange, request)))
        if response is None:
            transport.abort()
        if transport.is_closing():
            self._connections.discard(transport)
        return response or web.Response(status=502)

    async def _answer(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse | None:
        try:
            return await self._pass(exchange, request)
        except (Cut, aiohttp.ClientError, ConnectionError):
            return None

    def _note(self, request: web.BaseRequest, body: bytes) -> Exchange:
        # A Lease is renewed by a clock of its own: counted, it would make the numbers a matter of chance.
        counts = request.method in WRITES and "/leases" not in request.path
        exchange = Exchange(
            started=time.monotonic(),
            method=request.method,
            path=request.path,
            query=dict(request.query),
            agent=request.headers.get("User-Agent", ""),
            body=body,
            write=next(self._writes) if counts else 0,
        )
        self.log.append(exchange)
        return exchange

    async def _pass(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse:
        await self._gate()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        strike = next((item for item in self._strikes if item.write == exchange.write), None)
        if strike is not None and not strike.answered:
            self._hit(strike)
        for hook in tuple(self._before):
            answer = await asyncio.to_thread(hook, exchange)
            if answer is not None:
                exchange.status = answer.status
                return web.json_response(answer.body, status=answer.status)
        if exchange.is_watch and self._watches_expired:
            exchange.status = 410
            gone = refusal(410, "Expired", "too old resource version")
            return web.json_response(gone.body, status=gone.status)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method,
            URL(f"{self._server}{request.raw_path}", encoded=True),
            headers=headers,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            data=io.BytesIO(exchange.body) if exchange.body else None,
            allow_redirects=False,
        ) as upstream:
            answered = {
                name: value for name, value in upstream.headers.items() if name.lower() not in _HOP_BY_HOP
            }
            if self.clock_ahead_s:
                answered["Date"] = formatdate(time.time() + self.clock_ahead_s, usegmt=True)
            if exchange.is_watch and upstream.status == 200:
                exchange.status = upstream.status
                return await self._stream(exchange, request, upstream, answered)
            content = await upstream.read()
        if strike is not None:
            self._hit(strike)
        for after in tuple(self._after):
            await asyncio.to_thread(after, exchange)
        await self._gate()
        exchange.status = upstream.status
        return web.Response(body=content, status=upstream.status, headers=answered)

    async def _gate(self) -> None:
        """Go on at once, or never: what got stuck is not delivered late."""
        if not self._open.is_set():
            await self._open.wait()
            raise Cut

    def _hit(self, strike: _Strike) -> None:
        self._strikes.remove(strike)
        try:
            strike.action()
        finally:
            strike.done.set()
        raise Cut

    async def _stream(
        self,
        exchange: Exchange,
        request: web.BaseRequest,
        upstream: aiohttp.ClientResponse,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        copying = self._loop.create_task(self._copy(upstream, response))
        self._watching.add(copying)
        try:
            # Cancelled by close_watches, which is an end like any other.
            await asyncio.wait({copying})
        finally:
            self._watching.discard(copying)
            copying.cancel()
        if not copying.cancelled():
            copying.result()
        with suppress(ConnectionError):
            await response.write_eof()
        return response

    async def _copy(self, upstream: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        async for line in _lines(upstream):
            await self._gate()
            await response.write(line)


async def _lines(upstream: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    while line := await upstream.content.readline():
        yield line


async def _steps() -> None:
    """Let the loop carry out what was planned, and what follows from that."""
    for _ in range(10):
        await asyncio.sleep(0)
