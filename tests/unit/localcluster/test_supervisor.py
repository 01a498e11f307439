"""The supervisor with small programs instead of a cluster's components; it needs no rights for that."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from localcluster.pki import write_pki
from localcluster.settings import Settings
from localcluster.supervisor import FIRST_BACKOFF_S
from tests.patience import PATIENCE_S

SCRIPT = Path(__file__).parents[3] / "localcluster" / "supervisor.py"
SLEEP = "exec sleep 100"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pki(tmp_path / "pki", Settings())
    for name in ("logs", "stopped"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def port() -> Iterator[int]:
    """A port that accepts connections: what is probed there is ready."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def shell(
    name: str, script: str, ready: str = "", after: tuple[str, ...] = (), once: bool = False
) -> dict[str, Any]:
    return {"name": name, "argv": ["/bin/sh", "-c", script], "after": after, "ready": ready, "once": once}


@contextmanager
def supervised(root: Path, *components: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    plan = {
        "root": str(root),
        "interface": "lo",
        "setup": [["mkdir", str(root / "made")]],
        "components": components,
    }
    (root / "plan.json").write_text(json.dumps(plan))
    with subprocess.Popen([sys.executable, "-I", "-S", SCRIPT, root], stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
            for report in reports(root).values():
                if report["pid"]:
                    os.kill(report["pid"], signal.SIGKILL)


def reports(root: Path) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads((root / "components.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def wait_for(root: Path, name: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        report = reports(root).get(name)
        if report and condition(report):
            return report
        time.sleep(0.02)
    raise AssertionError(f"{name}: {reports(root)}")


def in_phase(phase: str) -> Callable[[dict[str, Any]], bool]:
    return lambda report: report["phase"] == phase


def test_what_comes_after_another_waits_until_that_is_ready(root: Path, port: int) -> None:
    slow = shell("slow", f"sleep 0.5; touch {root}/prepared; exit 0", once=True)
    next_one = shell(
        "next", f"test -e {root}/prepared && {SLEEP}", f"tcp://127.0.0.1:{port}", after=("slow",)
    )
    with supervised(root, next_one, slow):
        report = wait_for(root, "next", in_phase("ready"))
        assert report["restarts"] == 0
        assert reports(root)["slow"]["phase"] == "done"
        assert (root / "made").exists()


def test_a_component_that_does_not_answer_does_not_become_ready(root: Path) -> None:
    with supervised(
        root, shell("deaf", SLEEP, f"unix://{root}/no.sock"), shell("next", SLEEP, after=("deaf",))
    ):
        wait_for(root, "deaf", in_phase("starting"))
        time.sleep(0.3)
        assert reports(root)["deaf"]["phase"] == "starting"
        assert reports(root)["next"]["phase"] == "waiting"


def test_a_killed_component_is_started_again(root: Path, port: int) -> None:
    with supervised(root, shell("fragile", SLEEP, f"tcp://127.0.0.1:{port}")):
        first = wait_for(root, "fragile", in_phase("ready"))
        os.kill(first["pid"], signal.SIGKILL)
        second = wait_for(
            root, "fragile", lambda report: report["restarts"] == 1 and report["phase"] == "ready"
        )
        assert second["pid"] != first["pid"]
        assert second["last_exit"] == "killed by SIGKILL"


def test_one_that_dies_again_and_again_is_started_ever_later(root: Path) -> None:
    with supervised(root, shell("broken", f"date +%s.%N >> {root}/starts; exit 3", "tcp://127.0.0.1:1")):
        report = wait_for(root, "broken", lambda report: report["restarts"] == 4)
        assert report["last_exit"] == "exit code 3"
    starts = [float(line) for line in (root / "starts").read_text().split()]
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    # At least: a busy machine makes them longer.
    assert all(pause >= FIRST_BACKOFF_S * 2**number for number, pause in enumerate(pauses))


def test_a_program_that_is_not_there_stops_no_other(root: Path, port: int) -> None:
    missing = {"name": "missing", "argv": ["/no/such/program"], "after": (), "ready": "", "once": False}
    with supervised(root, missing, shell("other", SLEEP, f"tcp://127.0.0.1:{port}")):
        assert "No such file" in wait_for(root, "missing", in_phase("backoff"))["last_exit"]
        wait_for(root, "other", in_phase("ready"))


def test_a_component_is_stopped_and_started_by_a_file(root: Path, port: int) -> None:
    with supervised(root, shell("switched", SLEEP, f"tcp://127.0.0.1:{port}")):
        first = wait_for(root, "switched", in_phase("ready"))
        (root / "stopped" / "switched").touch()
        stopped = wait_for(root, "switched", in_phase("stopped"))
        assert stopped["pid"] == 0
        assert stopped["restarts"] == 0
        (root / "stopped" / "switched").unlink()
        assert wait_for(root, "switched", in_phase("ready"))["pid"] != first["pid"]


def test_output_goes_to_the_components_log(root: Path) -> None:
    with supervised(root, shell("loud", "echo out; echo err >&2", once=True)):
        wait_for(root, "loud", in_phase("done"))
    assert (root / "logs" / "loud.log").read_text() == "out\nerr\n"


def test_it_ends_when_told_so(root: Path) -> None:
    with supervised(root, shell("one", SLEEP)) as process:
        wait_for(root, "one", in_phase("starting"))
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
