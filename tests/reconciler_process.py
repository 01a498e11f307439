"""`python -m reconciler` as a process of its own, to be started, stopped and killed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.kube import eventually
from tests.patience import PATIENCE_S


@dataclass
class ReconcilerProcess:
    """A reconciler. Its log is one file over restarts. module: what `python -m` runs."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)
    module: str = field(default="reconciler", kw_only=True)

    def start(self, wait: bool = True) -> None:
        """Start it and wait until it leads."""
        leading = self.count("leading")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module], env=self.environment, stdout=log, stderr=log
            )
        if wait:
            eventually(lambda: self._leads(leading), what="the reconciler leads")

    def _leads(self, before: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"it ended: {self.log.read_text()[-2000:]}"
        return self.count("leading") > before

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_S)

    def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it and start it again."""
        self.stop(number)
        self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, and wait for nothing. It must not have ended."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Kill this one process, at once; all that it started has to end by itself."""
        self.signal(signal.SIGKILL)

    def ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for the end; returns the exit code."""
        assert self.process is not None
        return self.process.wait(timeout=timeout_s)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def children(self, name: str = "") -> list[psutil.Process]:
        """Processes that it started, directly or not; those whose program has this name."""
        assert self.process is not None
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child for child in found if not name or _runs(child, name)]

    def count(self, text: str) -> int:
        """How often a line of the log holds the text."""
        return self.log.read_text().count(text) if self.log.exists() else 0

    def runs(self, name: str) -> int:
        """How many engine runs the resource of that name had."""
        lines = self.log.read_text().splitlines()
        return sum("run starts" in line and f"/{name}" in line for line in lines)

    def events(self) -> list[dict[str, Any]]:
        """The log's lines, where it is JSON; what is not (a traceback, half a line) is left out."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        found = []
        for line in lines:
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def await_event(self, event: str, timeout_s: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """The first line of the log with this event and these fields."""

        def first() -> dict[str, Any] | None:
            for line in self.events():
                if line.get("event") == event and fields.items() <= line.items():
                    return line
            return None

        return eventually(first, f"the reconciler logs {event} {fields}", timeout_s)


def _runs(process: psutil.Process, name: str) -> bool:
    try:
        return Path(process.exe()).name == name
    except psutil.Error:
        return False
