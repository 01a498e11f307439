"""Building with a stand-in for `go`, in processes of their own that are raced, interrupted and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.patience import HUNG_S, PATIENCE_S, generous
from toolchain import ToolchainError, gobuild
from toolchain.tools import provider_of

ROOT = Path(__file__).parents[3]
KUBELET = provider_of("kubelet")

GO = """\
#!/bin/sh -e
if [ "$1" = env ]; then echo "$FAKE_GO_VERSION"; exit; fi
while [ "$1" != -o ]; do shift; done
echo started >> "$FAKE_GO_LOG"
echo '#!/bin/sh' > "$2"
[ "$FAKE_GO_SECONDS" != forever ] || exec sleep 60
sleep "$FAKE_GO_SECONDS"
echo 'echo Kubernetes v1.34.4' >> "$2"
chmod +x "$2"
"""

# The command line, in a world without a network.
PROGRAM = """\
import sys
from toolchain import __main__, official
official.reachable_hosts = lambda tools: set()
sys.exit(__main__.main())
"""


class Bench:
    """Starts `python -m toolchain install kubelet` with a stand-in for `go` that takes as long as it is told."""

    def __init__(self, root: Path) -> None:
        self.cache, self.log, programs = root / "cache", root / "log", root / "programs"
        programs.mkdir()
        (programs / "go").write_text(GO)
        (programs / "go").chmod(0o755)
        self.log.touch()
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "DEVSERVER_CACHE": str(self.cache),
            "FAKE_GO_LOG": str(self.log),
            "FAKE_GO_VERSION": "go1.99.0",
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(self, build_s: float | str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "install", "kubelet"],
            env={**self.environment, "FAKE_GO_SECONDS": str(build_s)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def start_and_wait_for_build(self) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
        """A run in the midst of a build that does not end, and all processes below it."""
        process = self.start(build_s="forever")
        deadline = time.monotonic() + PATIENCE_S
        while not self.log.read_text():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        return process, psutil.Process(process.pid).children(recursive=True)

    def leftovers(self) -> list[Path]:
        return list(self.cache.glob("tools/*/.partial-*"))

    def installed(self) -> list[Path]:
        return list(self.cache.glob("tools/kubelet/v*"))


def end_within(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all have ended in time. A zombie has: its reaping is up to the machine's init."""

    def ended(process: psutil.Process) -> bool:
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    deadline = time.monotonic() + seconds
    while not all(ended(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for process in bench.started:
        process.kill()
        process.communicate()


def test_two_runs_at_once_build_once(bench: Bench) -> None:
    outputs = []
    for run in [bench.start(build_s=0.8), bench.start(build_s=0.8)]:
        outputs.append(run.communicate(timeout=HUNG_S)[0])
        assert run.returncode == 0, outputs[-1]
    assert bench.log.read_text() == "started\n"
    assert any("waiting for another run" in output for output in outputs)
    assert len(bench.installed()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_its_build_and_leaves_nothing(bench: Bench, number: signal.Signals) -> None:
    run, children = bench.start_and_wait_for_build()
    run.send_signal(number)
    output, _ = run.communicate(timeout=HUNG_S)
    assert run.returncode == 130
    assert "interrupted" in output
    assert "Traceback" not in output
    assert children
    assert end_within(children, seconds=generous(2))
    assert bench.installed() == bench.leftovers() == []


def test_after_a_kill_the_build_stops_and_the_next_run_starts_afresh(bench: Bench) -> None:
    run, children = bench.start_and_wait_for_build()
    run.kill()
    run.wait()
    assert children
    assert end_within(children, seconds=generous(2))
    assert bench.installed() == []
    assert len(bench.leftovers()) == 1
    again = bench.start(build_s=0)
    output, _ = again.communicate(timeout=HUNG_S)
    assert again.returncode == 0, output
    assert len(bench.installed()) == 1
    assert bench.leftovers() == []


def test_a_failed_build_ends_with_one_message(bench: Bench) -> None:
    run = bench.start(build_s=-1)
    output, _ = run.communicate(timeout=HUNG_S)
    assert run.returncode == 1
    assert "toolchain: error: kubelet v1.34.4 cannot be installed: " in output
    assert "sleep" in output
    assert "Traceback" not in output


def test_without_go_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as raised:
        gobuild.check_go([KUBELET, provider_of("coredns")])
    message = str(raised.value)
    assert "no `go` on PATH" in message
    assert "Install Go 1.26 or newer (https://go.dev/dl/)" in message
    assert "kubelet v1.34.4, coredns v1.15.0" in message


@pytest.mark.parametrize("answer", ["go1.19.8", "go1.25.11", "devel +abc", ""])
def test_a_go_that_is_too_old_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    for name, value in bench.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAKE_GO_VERSION", answer)
    with pytest.raises(ToolchainError, match=r"too old for toolchain/coredns/go\.mod\. Install Go 1\.26"):
        gobuild.check_go([provider_of("coredns")])


@pytest.mark.parametrize("answer", ["go1.26.0", "go1.26.8", "go1.27rc1", "go2.0.0", "go1.26.8-X:nodwarf5"])
def test_a_new_enough_go_is_accepted(bench: Bench, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    for name, value in bench.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAKE_GO_VERSION", answer)
    gobuild.check_go([provider_of("coredns")])
