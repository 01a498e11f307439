"""The watchdog, with real processes: what ends when, and that nothing is left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from reconciler.leaderelection import watchdog_process
from reconciler.leaderelection.lease import clock_s
from reconciler.leaderelection.watchdog import Watchdog
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]
# Of the processes that this one starts.
MARK = f"STARTED_BY={os.getpid()}"
# Stands for the reconciler: it has a watchdog that it feeds once, and an engine in a session of its own.
RECONCILER = """
import os, subprocess, sys, time
from reconciler.leaderelection.lease import clock_s
from reconciler.leaderelection.watchdog import Watchdog
value = str(os.getpid())
watchdog = Watchdog(f"STARTED_BY={value}")
environment = {"STARTED_BY": value}
engine = subprocess.Popen(["/bin/sleep", "60"], env=environment, start_new_session=True)
now_s = clock_s()
if sys.argv[1] != "never":
    watchdog.feed(now_s + float(sys.argv[1]))
print(watchdog.pid, engine.pid, now_s, flush=True)
time.sleep(60)
"""


@dataclass
class Family:
    """The processes of one reconciler. fed_s: when it fed the watchdog, by the clock of the Lease."""

    reconciler: subprocess.Popen[str]
    watchdog: psutil.Process
    engine: psutil.Process
    fed_s: float

    def all_gone(self) -> bool:
        return (
            self.reconciler.poll() is not None and not is_alive(self.watchdog) and not is_alive(self.engine)
        )


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


Starter = Callable[[str], Family]


@pytest.fixture
def start() -> Iterator[Starter]:
    started: list[Family] = []

    def start(deadline: str) -> Family:
        command = [sys.executable, "-c", RECONCILER, deadline]
        reconciler = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert reconciler.stdout is not None
        watchdog, engine, fed_s = reconciler.stdout.readline().split()
        started.append(
            Family(reconciler, psutil.Process(int(watchdog)), psutil.Process(int(engine)), float(fed_s))
        )
        return started[-1]

    yield start
    for family in started:
        for process in (family.reconciler, family.engine, family.watchdog):
            if family.reconciler.poll() is None or process is not family.reconciler:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
        family.reconciler.wait()
        assert family.reconciler.stdout is not None
        family.reconciler.stdout.close()


def test_what_the_engine_left_behind_ends_with_a_killed_reconciler(start: Starter) -> None:
    family = start("never")
    family.reconciler.kill()
    assert eventually(family.all_gone)


def test_a_stopped_reconciler_is_killed_when_its_time_is_up_with_all_that_it_started(start: Starter) -> None:
    family = start("1.5")
    family.reconciler.send_signal(signal.SIGSTOP)
    assert eventually(family.all_gone)
    assert family.reconciler.returncode == -signal.SIGKILL
    assert clock_s() - family.fed_s >= 1.5, "and not before"


def test_a_reconciler_that_does_not_lead_is_left_alone(start: Starter) -> None:
    family = start("never")
    assert not eventually(family.all_gone, timeout_s=1.0)


def test_processes_of_another_reconciler_are_left_alone(start: Starter) -> None:
    family, other = start("never"), start("never")
    family.reconciler.kill()
    assert eventually(family.all_gone)
    assert is_alive(other.engine)


def test_the_watchdog_ends_with_the_reconciler_that_is_through() -> None:
    watchdog = Watchdog(MARK)
    watchdog.feed(clock_s() + 60)
    watchdog.close()
    assert not psutil.pid_exists(watchdog.pid)


def test_what_was_left_behind_is_ended_before_a_reconciler_that_is_through_goes() -> None:
    watchdog = Watchdog(MARK)
    with subprocess.Popen(["/bin/sleep", "60"], env={"STARTED_BY": str(os.getpid())}) as engine:
        watchdog.close()
        assert engine.wait(PATIENCE_S) == -signal.SIGKILL


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
def test_a_watchdog_that_someone_kills_or_stops_is_replaced(fate: signal.Signals) -> None:
    watchdog = Watchdog(MARK)
    first = watchdog.pid
    os.kill(first, fate)
    until = clock_s() + 60
    deadline = time.monotonic() + PATIENCE_S
    while watchdog.pid == first and time.monotonic() < deadline:
        # One that is stopped is noticed when its pipe is full.
        for _ in range(2000):
            watchdog.feed(until)
    assert watchdog.pid != first
    assert not psutil.pid_exists(first)
    watchdog.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Stands for the API server: it listens, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        yield listening


@pytest.fixture
def gate(server: socket.socket) -> Iterator[Watchdog]:
    """A watchdog that passes connections on to the server."""
    watchdog = Watchdog(MARK, server.getsockname())
    yield watchdog
    watchdog.close()


def joined(gate: Watchdog, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A connection through the gate, both of its ends."""
    client = socket.create_connection(("127.0.0.1", gate.port), PATIENCE_S)
    accepted, _ = server.accept()
    accepted.settimeout(PATIENCE_S)
    return client, accepted


def test_what_the_engine_sends_is_passed_on_and_so_are_answers(gate: Watchdog, server: socket.socket) -> None:
    gate.feed(clock_s() + 60)
    client, accepted = joined(gate, server)
    with client, accepted:
        sent = os.urandom(1 << 22)
        sending = threading.Thread(target=client.sendall, args=(sent,))
        sending.start()
        received = b""
        while len(received) < len(sent):
            received += accepted.recv(1 << 16)
        sending.join()
        assert received == sent
        accepted.sendall(b"answer")
        assert client.recv(100) == b"answer"
        client.shutdown(socket.SHUT_WR)
        assert accepted.recv(1) == b"", "the end of one direction is passed on"
        accepted.sendall(b"the rest")
        assert client.recv(100) == b"the rest"


def test_nothing_is_passed_on_once_the_time_to_act_is_over(server: socket.socket) -> None:
    """Without the process: when the time is over, that kills its parent, which would be this one."""
    deadline = watchdog_process.Deadline()
    with socket.create_server(("127.0.0.1", 0)) as front:
        client = socket.create_connection(front.getsockname(), PATIENCE_S)
        passed, _ = front.accept()
    passing = threading.Thread(target=watchdog_process.pass_on, args=(passed, server.getsockname(), deadline))
    passing.start()
    accepted, _ = server.accept()
    with client, accepted:
        accepted.settimeout(PATIENCE_S)
        client.sendall(b"in time")
        assert accepted.recv(100) == b"in time"
        deadline.until_s = clock_s() - 0.01
        client.sendall(b"late")
        assert received_until_the_end(accepted) == b""
        passing.join(PATIENCE_S)
        assert not passing.is_alive()


def received_until_the_end(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


def test_where_no_api_server_answers_connections_are_cut(gate: Watchdog, server: socket.socket) -> None:
    server.close()
    with socket.create_connection(("127.0.0.1", gate.port), PATIENCE_S) as client:
        assert received_until_the_end(client) == b""


def test_a_new_watchdog_serves_the_port_of_the_killed_one(gate: Watchdog, server: socket.socket) -> None:
    os.kill(gate.pid, signal.SIGKILL)
    psutil.Process(gate.pid).wait(PATIENCE_S)
    gate.feed(clock_s() + 60)
    client, accepted = joined(gate, server)
    with client, accepted:
        client.sendall(b"again")
        assert accepted.recv(100) == b"again"


def test_the_watchdog_is_small() -> None:
    watchdog = Watchdog(MARK)
    watchdog.feed(clock_s() + 60)
    time.sleep(0.5)
    rss_mb = psutil.Process(watchdog.pid).memory_info().rss / 2**20
    watchdog.close()
    assert 1 < rss_mb < 16
