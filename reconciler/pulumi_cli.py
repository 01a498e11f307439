"""How a Pulumi command is run: one CLI process per run, with a deadline and the kill of its whole process tree.

`PulumiCommand` is the Automation API's seam for this: whatever `run()` does with the arguments is the engine
to the layers above. A warm engine worker can take this class's place.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

# What the Automation API asks for around every operation. Outputs are not needed and the result comes from the
# event log, so no process is started for these.
_HISTORY = json.dumps(
    [
        {
            "kind": "update",
            "startTime": "1970-01-01T00:00:00.000Z",
            "message": "",
            "environment": {},
            "config": {},
            "result": "succeeded",
        }
    ]
)
_ANSWERS: dict[tuple[str, ...], str] = {
    ("stack", "select"): "",
    ("stack", "output"): "{}",
    ("stack", "history"): _HISTORY,
}


class RunKilled(Exception):
    """The command was killed: it passed its deadline or the reconciler stops."""


class PulumiProcess(PulumiCommand):
    """Runs commands of one run. Not shared between runs: each has a deadline of its own.

    command: path of the CLI.
    version: its version, found once at start (the base class would start a process each time).
    deadline_s: seconds after which a command and everything that it started is killed.
    """

    def __init__(self, command: Path, version: VersionInfo, deadline_s: float) -> None:
        self.command = str(command)
        self.version = version
        self._deadline_s = deadline_s
        self._process: subprocess.Popen[str] | None = None
        self._killed = threading.Event()

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], object] | None = None,
        on_error: Callable[[str], object] | None = None,
    ) -> CommandResult:
        """Run a command to its end. Raises CommandError if it fails and RunKilled if it was killed."""
        answer = _ANSWERS.get(tuple(args[:2]))
        if answer is not None:
            return CommandResult(stdout=answer, stderr="", code=0)
        # setpriv makes the kernel kill the CLI when this process dies, however it dies.
        command = ["setpriv", "--pdeathsig", "KILL", self.command, "--non-interactive", *args]
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(additional_env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            self._process = process
            if self._killed.is_set():
                kill_tree(process.pid)
            try:
                stdout, stderr = process.communicate(timeout=self._deadline_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RunKilled(f"killed after {self._deadline_s:g} s") from None
        if self._killed.is_set():
            raise RunKilled("killed because the reconciler stops")
        for callback, text in ((on_output, stdout), (on_error, stderr)):
            if callback:
                for line in text.splitlines():
                    callback(line)
        result = CommandResult(stdout=stdout, stderr=stderr, code=process.returncode)
        if process.returncode != 0:
            raise create_command_error(result)
        return result

    def kill(self) -> None:
        """End the running command now; later ones of this run are killed at their start."""
        self._killed.set()
        if self._process is not None:
            kill_tree(self._process.pid)


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants. (Provider plugins leave the process group, so that is not enough.)"""
    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
