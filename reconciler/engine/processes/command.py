"""Runs Pulumi commands. Each has a deadline, after which its whole process tree is killed.

`PulumiCommand` is the Automation API's interface for this. `PulumiProcess` starts a CLI process for each command,
`PulumiWorker` hands operations to a warm process.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from reconciler.engine.processes.process_tree import BACKEND_VARIABLE, kill_of_backend, kill_tree
from reconciler.engine.processes.provider import Providers
from reconciler.engine.processes.result import (
    CommandOutput,
    EngineDiedError,
    RunKilledError,
    RunLostError,
    RunNotBegunError,
)
from reconciler.engine.processes.worker_pool import WorkerPool

# The answers to what the Automation API asks around every operation. No process is started for them: outputs are not
# needed, and the result comes from the event log.
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
# The commands that need a provider. A warm worker knows the same ones.
OPERATIONS = frozenset({"up", "destroy", "preview", "refresh"})


class PulumiProcess(PulumiCommand):
    """Runs the commands of one run. It is not shared between runs, so that kill() ends one run only.

    cli: path of the CLI.
    version: its version, found once at start (the base class would start a process each time).
    deadline_s: seconds after which a command and everything that it started is killed.
    providers: leases the provider to operations.
    """

    def __init__(self, cli: Path, version: VersionInfo, deadline_s: float, providers: Providers) -> None:
        self.command = str(cli)
        self.version = version
        self._deadline_s = deadline_s
        self._providers = providers
        self._pid: int | None = None
        self._killed = threading.Event()

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], object] | None = None,
        on_error: Callable[[str], object] | None = None,
    ) -> CommandResult:
        """Run a command to its end. Raises CommandError if it fails, RunLostError if it has no result."""
        answer = _ANSWERS.get(tuple(args[:2]))
        if answer is not None:
            return CommandResult(stdout=answer, stderr="", code=0)
        try:
            result = self._run(args, cwd, additional_env)
            if result.code != 0 and self._killed.is_set():
                raise RunKilledError("ended while it was being killed")
        except RunLostError:
            # A provider that was started just before the kill, or by an engine that died, may run on for minutes.
            kill_of_backend(additional_env[BACKEND_VARIABLE])
            if self._killed.is_set():
                raise RunKilledError("killed because the reconciler stops") from None
            raise
        for callback, text in ((on_output, result.stdout), (on_error, result.stderr)):
            if callback:
                for line in text.splitlines():
                    callback(line)
        command_result = CommandResult(stdout=result.stdout, stderr=result.stderr, code=result.code)
        if result.code != 0:
            raise create_command_error(command_result)
        return command_result

    def kill(self) -> None:
        """Kill the running command. Later ones of this run are killed at their start."""
        self._killed.set()
        if self._pid is not None:
            kill_tree(self._pid)

    def _run(self, args: list[str], cwd: str, env: Mapping[str, str]) -> CommandOutput:
        if args[0] not in OPERATIONS:
            return self._run_cli(args, cwd, env)
        with self._providers.lease() as lease:
            result = self._operate(args, cwd, {**env, **lease.environment})
            if result.code != 0:
                lease.examine(result.stdout + result.stderr)
        return result

    def _operate(self, args: list[str], cwd: str, env: Mapping[str, str]) -> CommandOutput:
        return self._run_cli(args, cwd, env)

    def _started(self, pid: int) -> None:
        """Have kill() end this process from now on."""
        self._pid = pid
        if self._killed.is_set():
            kill_tree(pid)

    def _ended(self) -> None:
        """Have kill() end no process: it has ended, or works for others from now on."""
        self._pid = None

    def _run_cli(self, args: list[str], cwd: str, env: Mapping[str, str]) -> CommandOutput:
        # With setpriv the kernel kills the CLI when this process dies, for whatever reason.
        command = ["setpriv", "--pdeathsig", "KILL", self.command, "--non-interactive", *args]
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            self._started(process.pid)
            try:
                stdout, stderr = process.communicate(timeout=self._deadline_s)
            except subprocess.TimeoutExpired:
                kill_tree(process.pid)
                raise RunKilledError(f"killed after {self._deadline_s:g} s") from None
            finally:
                self._ended()
        if process.returncode < 0:
            raise EngineDiedError(f"was ended by signal {-process.returncode}")
        return CommandOutput(stdout, stderr, process.returncode)


class PulumiWorker(PulumiProcess):
    """Runs operations in a worker of the pool, and other commands by the CLI."""

    def __init__(
        self, cli: Path, version: VersionInfo, deadline_s: float, providers: Providers, pool: WorkerPool
    ) -> None:
        super().__init__(cli, version, deadline_s, providers)
        self._pool = pool

    def _operate(self, args: list[str], cwd: str, env: Mapping[str, str]) -> CommandOutput:
        try:
            return self._operate_in_worker(args, cwd, env)
        except RunNotBegunError:
            # The worker died while it was idle or starting. The run has not begun, so another may do it.
            if self._killed.is_set():
                raise
            return self._operate_in_worker(args, cwd, env)

    def _operate_in_worker(self, args: list[str], cwd: str, env: Mapping[str, str]) -> CommandOutput:
        with self._pool.lease() as worker:
            self._started(worker.pid)
            try:
                return worker.run(["--non-interactive", *args], cwd, env, self._deadline_s)
            finally:
                self._ended()
