"""Commands that are killed at any moment: the next one puts it right."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import localcluster
from tests.localcluster.snapshot import Snapshot, differences, host_snapshot, processes_of, still_there

pytestmark = pytest.mark.cluster

SETTINGS = localcluster.Settings(name="halfway")


@pytest.fixture(scope="module")
def before() -> Iterator[Snapshot]:
    localcluster.down(SETTINGS)
    yield host_snapshot(SETTINGS.name)
    localcluster.down(SETTINGS)


def started(name: str) -> "subprocess.Popen[str]":
    """A command that runs."""
    environment = {**os.environ, "LOCALCLUSTER_NAME": SETTINGS.name}
    command = [sys.executable, "-m", "localcluster", name]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, start_new_session=True, text=True
    )


def kill_after(seconds: float, name: str) -> None:
    """Run a command and kill it after that time."""
    with started(name) as process:
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("seconds", [0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 1.5, 3.0])
def test_down_removes_what_a_killed_up_left(before: Snapshot, seconds: float) -> None:
    kill_after(seconds, "up")
    processes = processes_of(SETTINGS.name)
    localcluster.down(SETTINGS)
    assert differences(before, host_snapshot(SETTINGS.name)) == ""
    assert still_there(processes) == []


def test_up_completes_what_killed_ups_began_and_down_what_killed_downs_did(before: Snapshot) -> None:
    for seconds in (0.5, 0.6, 0.8, 1.5):
        kill_after(seconds, "up")
    assert localcluster.up(SETTINGS).healthy
    for seconds in (0.4, 0.5):
        kill_after(seconds, "down")
    localcluster.down(SETTINGS)
    assert differences(before, host_snapshot(SETTINGS.name)) == ""


def test_ctrl_c_ends_up_with_a_word_on_how_to_go_on(before: Snapshot) -> None:
    with started("up") as process:
        assert process.stderr is not None
        assert process.stderr.read(1), "it tells of its first step"
        os.killpg(process.pid, signal.SIGINT)
        assert "`up` goes on from here" in process.stderr.read()
    assert process.returncode == 130
    localcluster.down(SETTINGS)
