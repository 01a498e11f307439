"""The way to sshd: dialled again until it has spoken, kept alive, and honest about its end."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from socket import SHUT_RDWR

import pytest
from aiohttp import WSMsgType, web
from kubernetes.client import Configuration

from devctl.errors import NoAnswer
from devctl.kube.api import Api, Target
from devctl.ssh import tunnel
from tests.patience import PATIENCE_S

BANNER = b"SSH-2.0-x\r\n"
Handler = Callable[[web.WebSocketResponse], Awaitable[None]]


@dataclass
class Kubelet:
    """Answers port-forwards, each dial by the next of the handlers, the last one again and again.

    A handler that is a number is an HTTP status.
    """

    handlers: list[Handler | int]
    dials: int = 0
    api: Api = field(init=False)
    runner: web.AppRunner = field(init=False)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self.loop.run_forever)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(timeout=PATIENCE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=PATIENCE_S)
        self.loop.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/api/v1/namespaces/ns/pods/box-0/portforward"
        assert request.query["ports"] == "2222"
        assert request.headers["authorization"] == "Bearer t"
        handler = self.handlers[min(self.dials, len(self.handlers) - 1)]
        self.dials += 1
        if isinstance(handler, int):
            return web.Response(status=handler, text='{"message": "no", "reason": "x"}')
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), autoping=False)
        await socket.prepare(request)
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + (2222).to_bytes(2, "little"))
        await handler(socket)
        return socket

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", self.answer)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        host, port = self.runner.addresses[0][:2]
        configuration = Configuration(host=f"http://{host}:{port}")
        configuration.api_key["authorization"] = "Bearer t"
        self.api = Api(configuration, Target("ctx", "ns", configuration.host))


@pytest.fixture
def serve() -> Iterator[Callable[..., Kubelet]]:
    made: list[Kubelet] = []

    def start(*handlers: Handler | int) -> Kubelet:
        kubelet = Kubelet(list(handlers))
        kubelet.loop.run_until_complete(kubelet.start())
        kubelet.thread.start()
        made.append(kubelet)
        return kubelet

    yield start
    for kubelet in made:
        kubelet.stop()


@dataclass
class Pipes:
    """The two ends of a tunnel, as a client of it holds them."""

    ends: tunnel.Ends
    to_pod: int
    from_pod: int


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    source, to_pod = os.pipe()
    from_pod, sink = os.pipe()
    yield Pipes(tunnel.Ends(source, sink), to_pod, from_pod)
    for descriptor in (source, to_pod, from_pod, sink):
        os.close(descriptor)


async def echo_once(socket: web.WebSocketResponse) -> None:
    """Speaks, sends back what it hears, and says goodbye."""
    await socket.send_bytes(b"\x00" + BANNER)
    message = await socket.receive()
    assert message.data[:1] == b"\x00"
    await socket.send_bytes(message.data)
    await socket.close()


async def say_nothing(socket: web.WebSocketResponse) -> None:
    await socket.close()


async def speak_and_vanish(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x00" + BANNER)
    socket.get_extra_info("socket").shutdown(SHUT_RDWR)


async def complain(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x01connection refused")
    await socket.close()


def test_data_passes_both_ways_until_the_other_side_ends(serve: Callable[..., Kubelet], pipes: Pipes) -> None:
    kubelet = serve(echo_once)
    os.write(pipes.to_pod, b"hello")
    tunnel.connect(kubelet.api, "ns", "box-0", 2222, PATIENCE_S, pipes.ends)
    assert os.read(pipes.from_pod, 100) == BANNER + b"hello"


def test_it_ends_when_the_client_does(serve: Callable[..., Kubelet], pipes: Pipes) -> None:
    kubelet = serve(echo_once)
    source, writer = os.pipe()
    os.close(writer)
    tunnel.connect(kubelet.api, "ns", "box-0", 2222, PATIENCE_S, tunnel.Ends(source, pipes.ends.sink))
    os.close(source)


def test_it_dials_again_until_the_other_side_has_spoken_and_loses_no_word_of_the_client(
    serve: Callable[..., Kubelet], pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "RETRY_S", 0.01)
    kubelet = serve(503, 404, say_nothing, complain, echo_once)
    os.write(pipes.to_pod, b"hello")
    tunnel.connect(kubelet.api, "ns", "box-0", 2222, PATIENCE_S, pipes.ends)
    assert os.read(pipes.from_pod, 100) == BANNER + b"hello"
    assert kubelet.dials == 5


def test_in_vain_it_ends_with_the_last_reason(
    serve: Callable[..., Kubelet], pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "RETRY_S", 0.01)
    kubelet = serve(complain)
    with pytest.raises(NoAnswer, match="port 2222 of pod box-0 in ns broke: connection refused"):
        tunnel.connect(kubelet.api, "ns", "box-0", 2222, 1, pipes.ends)
    assert kubelet.dials > 1


def test_a_connection_that_breaks_after_a_word_is_not_dialled_again(
    serve: Callable[..., Kubelet], pipes: Pipes
) -> None:
    kubelet = serve(speak_and_vanish)
    with pytest.raises(tunnel.Broken):
        tunnel.connect(kubelet.api, "ns", "box-0", 2222, PATIENCE_S, pipes.ends)
    assert kubelet.dials == 1


def test_a_silent_connection_is_asked_for_life_and_in_the_end_given_up(
    serve: Callable[..., Kubelet], pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "PING_INTERVAL_S", 0.1)
    monkeypatch.setattr(tunnel, "SILENCE_S", 2.0)
    pings: list[float] = []

    async def fall_silent(socket: web.WebSocketResponse) -> None:
        """Answers pings for a while, then not any more."""
        await socket.send_bytes(b"\x00" + BANNER)
        while True:
            message = await socket.receive()
            if message.type is not WSMsgType.PING:
                return
            pings.append(time.monotonic())
            if len(pings) < 8:
                await socket.pong()

    kubelet = serve(fall_silent)
    begun = time.monotonic()
    with pytest.raises(tunnel.Broken, match=r"no data arrived for 2 s"):
        tunnel.connect(kubelet.api, "ns", "box-0", 2222, PATIENCE_S, pipes.ends)
    assert len(pings) > 8
    assert time.monotonic() - begun > 0.8
