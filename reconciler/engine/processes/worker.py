"""A warm engine worker: a process of `pulumi-engine-worker`, which runs one Pulumi operation after another."""

import json
import select
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.engine.processes.process_tree import kill_tree
from reconciler.engine.processes.result import (
    CommandOutput,
    EngineDiedError,
    RunKilledError,
    RunNotBegunError,
)

_STOP_GRACE_S = 2.0


class Worker:
    """A worker process from its start to its end. It starts in the background: the first run waits for it.

    runs: operations so far; rss_mb: resident memory after the last one.
    broken: it must not be used again.
    """

    def __init__(self, command: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [command],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # In a session of its own it gets no Ctrl-C: the reconciler gets that, and ends its workers.
            start_new_session=True,
        )
        self.runs = 0
        self.rss_mb = 0.0
        self.broken = False

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it lives and may be given another operation."""
        return not self.broken and self._process.poll() is None

    def run(self, args: list[str], cwd: str, env: Mapping[str, str], deadline_s: float) -> CommandOutput:
        """Run `pulumi ARGS` with `env` as the whole environment.

        Raises RunKilledError if it took longer than deadline_s, EngineDiedError if the worker ended or panicked, and
        RunNotBegunError if it ended before it began. Then the worker is broken. Its output goes to files in cwd.
        """
        output, errors = Path(cwd, "stdout"), Path(cwd, "stderr")
        for file in (output, errors):
            file.unlink(missing_ok=True)
        request = {
            "args": args,
            "cwd": cwd,
            "env": dict(env),
            "stdout": str(output),
            "stderr": str(errors),
        }
        self.runs += 1
        self.broken = True  # until it has answered
        answer = self._ask(json.dumps(request).encode() + b"\n", deadline_s)
        if answer is None:
            death = EngineDiedError if output.exists() else RunNotBegunError
            raise death(f"ended with exit code {self._process.wait()}: {_end_of(errors)}")
        self.rss_mb = answer["rss_kb"] / 1024
        if answer["panic"]:
            raise EngineDiedError(f"panicked: {_end_of(errors)}")
        self.broken = False
        return CommandOutput(_text(output), _text(errors), answer["code"])

    def _ask(self, request: bytes, deadline_s: float) -> dict[str, int] | None:
        """The answer to a request; None if the worker has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except BrokenPipeError:
            self.kill()
            return None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        if not poll.poll(deadline_s * 1000):
            self.kill()
            raise RunKilledError(f"killed after {deadline_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            self.kill()
            return None
        answer: dict[str, int] = json.loads(line)
        return answer

    def kill(self) -> None:
        """Kill the worker and all that it started."""
        self.broken = True
        kill_tree(self.pid)
        self._close()

    def stop(self) -> None:
        """Have an idle worker end by itself."""
        self.broken = True
        self._close()

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            kill_tree(self.pid)
            self._process.wait()
        self._process.stdout.close()


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _end_of(file: Path) -> str:
    """The first lines that the engine printed, for the log. Those of a Go crash say the most."""
    with suppress(FileNotFoundError):
        lines = [line for line in _text(file).splitlines() if line.strip()]
        return " | ".join(lines[:4])
    return "it said nothing"
