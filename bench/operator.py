"""The operator under measurement: `python -m reconciler` as a process of its own, under its own identity."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.errors import BenchError
from bench.memory import Family
from reconciler.engine.processes.process_tree import kill_of_backend

ROOT = Path(__file__).parent.parent
# The event with which the reconciler says that it works from now on.
READY = "leading"
# The one with which it says that it knows all that is needed to take over.
STANDING_BY = "watching"
RUN_EVENTS = frozenset({"run starts", "destroy starts"})
_START_S = 90.0
_STOP_S = 30.0
_POLL_S = 0.01


def events(lines: Iterable[str]) -> list[str]:
    """The events of a JSON log, in order; lines that are no JSON (a traceback of the interpreter) have none."""
    found = []
    for line in lines:
        try:
            found.append(str(json.loads(line).get("event", "")))
        except (ValueError, AttributeError):
            continue
    return found


@dataclass
class Log:
    """A log that is being written, read on from where the last look ended."""

    file: Path
    _position: int = 0
    _counts: Counter[str] = field(default_factory=Counter)

    def count(self, *names: str) -> int:
        """How often these events stand in it by now."""
        with self.file.open("rb") as log:
            log.seek(self._position)
            complete, newline, _ = log.read().rpartition(b"\n")
        self._position += len(complete) + len(newline)
        self._counts.update(events(complete.decode(errors="replace").splitlines()))
        return sum(self._counts[name] for name in names)

    def tail(self, lines: int = 8) -> str:
        """Its last lines."""
        return "\n".join(self.file.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Operator:
    """One replica. Its log is one file over restarts, and its run directory stays the same, too.

    environment: with KUBECONFIG, and PATH to the pinned tools.
    """

    environment: Mapping[str, str]
    log: Log
    run_dir: Path
    _process: subprocess.Popen[bytes] | None = field(default=None)
    _family: Family | None = field(default=None)

    @property
    def family(self) -> Family:
        """The process and all that it has started."""
        assert self._family is not None
        return self._family

    @property
    def runs(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def engine_runs(self) -> int:
        """How many engine runs have begun since the bench did."""
        return self.log.count(*RUN_EVENTS)

    def launch(self) -> None:
        """Start the process, without waiting for it."""
        environment = {
            **self.environment,
            "DEVSERVER_RUN_DIR": str(self.run_dir),
            "DEVSERVER_LOG_FORMAT": "json",
            "DEVSERVER_HTTP_PORT": "0",
        }
        # It ends with the bench, however that ends.
        command = ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "reconciler"]
        with self.log.file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._family = Family(psutil.Process(self._process.pid))

    async def start(self) -> float:
        """Start the process; the seconds until it works. Raises BenchError if it does not come up."""
        before, began = self.log.count(READY), time.monotonic()
        self.launch()
        await self.until(READY, before + 1, _START_S)
        took_s = time.monotonic() - began
        self.family.rss_mb()
        return took_s

    async def until(self, event: str, count: int, timeout_s: float) -> None:
        """Wait until the log holds the event so often. Raises BenchError if that takes longer."""
        deadline = time.monotonic() + timeout_s
        while self.log.count(event) < count:
            if not self.runs:
                raise BenchError(f"the reconciler has ended; its log says:\n{self.log.tail()}")
            if time.monotonic() > deadline:
                raise BenchError(f"no {event!r} within {timeout_s:.0f} s; its log says:\n{self.log.tail()}")
            await asyncio.sleep(_POLL_S)

    async def stand_by(self) -> None:
        """Start the process beside one that leads, and wait until it is ready to take over."""
        before = self.log.count(STANDING_BY)
        self.launch()
        await self.until(STANDING_BY, before + 1, _START_S)

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, without waiting for what comes of it."""
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> float:
        """End the process if it runs; the seconds that it took. By force if it takes too long."""
        began = time.monotonic()
        if self._process is not None and self.runs:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
        return time.monotonic() - began

    def clear(self) -> None:
        """Remove what a killed process has left behind."""
        kill_of_backend(f"file://{self.run_dir}/")
        shutil.rmtree(self.run_dir, ignore_errors=True)


def environment_of(kubeconfig: Path, bin_dir: Path, pulumi_home: Path) -> dict[str, str]:
    """The environment of a reconciler that signs in by the kubeconfig; settings of the caller's are passed on."""
    return {
        **os.environ,
        "PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(kubeconfig),
        "DEVSERVER_PULUMI_HOME": str(pulumi_home),
    }
