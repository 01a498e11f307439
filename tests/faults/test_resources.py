"""The reconciler runs out of what a machine has: memory for its files, the right time, memory."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.clock import WallClock
from tests.faults.conftest import MakeOperator
from tests.faults.harness import Operator, Space
from tests.faults.invariants import Guard, desired_children
from tests.faults.proxy import Answer, Exchange, refusal
from tests.patience import HUNG_S, PATIENCE_S

SIZE_MB = 16
DEVSERVERS, MEMORY_MB = 60, 1100


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of SIZE_MB."""
    directory = tmp_path / "small"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def fill(directory: Path) -> Path:
    """Take all the room that is left."""
    file = directory / "filler"
    with file.open("ab", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\0" * 4096)
        except OSError:
            return file


@pytest.mark.full
def test_a_full_run_directory_is_told_and_healed_when_there_is_room(
    make_operator: MakeOperator, space: Space, small_tmpfs: Path
) -> None:
    operator = make_operator(run_dir=small_tmpfs / "run")
    operator.start()
    guard = Guard(space, [operator])
    space.create("before")
    space.await_applied("before")

    filler = fill(small_tmpfs)
    space.create("box")
    space.patch("before", image="local/busybox:2")
    told = operator.await_event("failed", resource=f"DevServer/{space.namespace}/box")
    assert "No space left on device" in told["message"], told
    assert operator.alive

    filler.unlink()
    space.await_applied("before", "box")
    guard.check()


@pytest.mark.full
def test_a_run_directory_that_fills_up_in_mid_run_loses_no_state(
    make_operator: MakeOperator, space: Space, small_tmpfs: Path
) -> None:
    # The engine may say so, or be unable even to do that.
    operator = make_operator(run_dir=small_tmpfs / "run", run_deadline_s=12)
    operator.start()
    guard = Guard(space, [operator])
    space.create("box")
    space.await_applied("box")
    operator.proxy.reset()
    with Filler(small_tmpfs) as filler:
        hit = operator.proxy.at_write(3, filler.go, answered=True)
        space.patch("box", image="local/busybox:2", lifecycle={"timeToLive": "8h"})
        assert hit.wait(PATIENCE_S)
        operator.await_event("failed", resource=f"DevServer/{space.namespace}/box")
        (state,) = guard.states()
        assert state.children == desired_children(space.get("box") or {})
    space.await_applied("box")
    guard.check()


class Filler:
    """Takes all the room there is, from go() on until the block ends: what is given up meanwhile, too."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._going, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._fill)

    def go(self) -> None:
        fill(self._directory)
        self._going.set()

    def __enter__(self) -> "Filler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._going.set()
        self._thread.join()
        (self._directory / "filler").unlink(missing_ok=True)

    def _fill(self) -> None:
        self._going.wait()
        while not self._ended.wait(0.002):
            fill(self._directory)


@pytest.mark.parametrize("hours", [1, pytest.param(-1, marks=pytest.mark.full)])
def test_nothing_expires_and_nothing_is_lost_by_a_clock_that_is_moved_by_an_hour(
    make_operator: MakeOperator, space: Space, tmp_path: Path, hours: int
) -> None:
    clock = WallClock(tmp_path)
    operator = make_operator(variables=clock.variables)
    operator.start()
    # The times in its log are no times.
    guard = Guard(space, [])
    space.create("box", lifecycle={"timeToLive": "30m"})
    space.await_applied("box")

    # In the middle of a run.
    hit = operator.proxy.at_write(len(operator.proxy.writes()) + 4, lambda: clock.move(hours * 3600), True)
    space.create("beside")
    assert hit.wait(PATIENCE_S)
    space.await_applied("beside")

    space.patch("box", image="local/busybox:2")
    if hours > 0:
        told = operator.await_event("failed", resource=f"DevServer/{space.namespace}/box")
        assert told["reason"] == "ClockSkewed", told
    else:
        space.await_applied("box")
    space.create("after", lifecycle={"timeToLive": "2h"})
    space.await_applied("after", "beside")
    space.create("short", lifecycle={"timeToLive": "10s"})
    with operator.proxy.before(refuse_config_maps):
        space.create("failing")
        operator.await_event("failed", resource=f"DevServer/{space.namespace}/failing")
    assert is_there(space, "box")

    clock.move(0)
    space.await_applied("box", "beside", "after", "failing")
    space.await_gone("short")
    guard.check()
    assert operator.alive


def refuse_config_maps(exchange: Exchange) -> Answer | None:
    if exchange.method == "PATCH" and "/configmaps/" in exchange.path:
        return refusal(500, "InternalError", "no ConfigMaps for now")
    return None


def is_there(space: Space, name: str) -> bool:
    obj = space.get(name)
    return obj is not None and "deletionTimestamp" not in obj["metadata"]


@pytest.mark.full
def test_memory_stays_bounded_while_many_are_made_changed_and_deleted(
    operator: Operator, space: Space, guard: Guard, tell_figure: Callable[[str, object], None]
) -> None:
    names = [f"box-{number}" for number in range(DEVSERVERS)]
    with PeakMemory(operator) as peak:
        for name in names:
            space.create(name)
        space.await_applied(timeout_s=HUNG_S)
        for name in names:
            space.patch(name, image="local/busybox:2")
        space.await_applied(timeout_s=HUNG_S)
        guard.check()
        for name in names:
            space.delete(name)
        space.await_gone(timeout_s=HUNG_S)
    guard.check()
    tell_figure("MB at the peak", round(peak.mb))
    assert peak.mb <= MEMORY_MB


class PeakMemory:
    """The most memory that an operator and all that it started had resident at a time, in MB."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.mb = 0.0

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        assert self._operator.process is not None
        main = psutil.Process(self._operator.process.pid)
        while not self._ended.wait(0.3):
            total = 0
            for process in [main, *self._operator.children()]:
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.mb = max(self.mb, total / 1e6)
