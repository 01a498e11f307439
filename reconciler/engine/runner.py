"""Runs one task at a time, in the thread of its caller.

Every run gets a fresh private directory, which is removed afterwards. So a killed run leaves nothing behind that
matters. Where the checkpoint comes from and goes to is the backend's part (see backend.py).
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pulumi.automation import LocalWorkspace, ProjectSettings, Stack, StackSettings
from pulumi.automation.errors import CommandError
from pulumi.automation.events import EngineEvent

from reconciler.engine import metrics
from reconciler.engine.backend import Backend, PrivateDirectory, RunPlace
from reconciler.engine.outcome import EngineError, Outcome
from reconciler.engine.processes.command import PulumiProcess
from reconciler.engine.processes.process_tree import BACKEND_VARIABLE
from reconciler.engine.processes.result import RunLostError
from reconciler.engine.run_report import RunReport, error_of, plain
from reconciler.state.checkpoint import PROJECT, Checkpoint
from reconciler.state.encryption_keys import Keys
from reconciler.state.run_claim import CutShort
from reconciler.status import reasons
from reconciler.status.errors import EngineFailedError, ReconcileError, TransientError

OnEvent = Callable[[EngineEvent], None]
OnStack = Callable[[Stack, OnEvent], None]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Task:
    """A run to be done.

    name: of the operation, for the metrics. checkpoint: what the run starts from.
    cut_short: earlier runs on the stack, whose locks may be left in the backend.
    """

    name: metrics.Operation
    stack: str
    checkpoint: Checkpoint
    keys: Keys
    operation: OnStack
    backend: Backend
    cut_short: Sequence[CutShort] = ()


@dataclass
class Runner:
    """Runs tasks. Many threads may use it at a time.

    commands: makes what runs the commands of one run.
    run_dir: its directory `runs` holds the private directories of the runs.
    environment: the variables that all runs have in common.
    backend: where the checkpoints of runs come from and go to.
    """

    commands: Callable[[], PulumiProcess]
    run_dir: Path
    environment: Mapping[str, str]
    backend: Backend = field(default_factory=PrivateDirectory)
    # With the stack and the time of the start.
    _running: dict[PulumiProcess, tuple[str, float]] = field(default_factory=dict)
    _stopping: bool = False

    def run(self, task: Task) -> Outcome:
        """Do the task. Whatever goes wrong is in the outcome."""
        started = time.monotonic()
        report = RunReport(self.backend.redacted)

        def outcome(checkpoint: Checkpoint | None, error: ReconcileError | None) -> Outcome:
            return Outcome(checkpoint, report.changes, time.monotonic() - started, error)

        try:
            with self._workspace(task.stack, task.keys, task.backend) as (workspace, run):
                try:
                    error = self._operate(task, workspace, run, report)
                    return outcome(task.backend.take(run), error)
                except RunLostError as lost:
                    return outcome(None, error_of(lost))
                except TransientError as waiting:
                    return outcome(None, waiting)
                except CommandError as failed:
                    return outcome(None, self._backend_failed(failed))
        except OSError as failed:
            # The run's own files cannot be written: most likely the disk is full.
            why = (
                f"The run directory {self.run_dir} cannot be used: {failed.strerror or failed}; trying again."
            )
            return outcome(None, EngineFailedError(reasons.RUN_FAILED, why))

    def with_backend(
        self, stack: str, keys: Keys, act: Callable[[RunPlace], _T], cut_short: Sequence[CutShort]
    ) -> _T:
        """Do something with a stack in the backend that is no run. Raises TransientError if the backend fails."""
        with self._workspace(stack, keys, self.backend) as (_, run):
            try:
                return self._with_recovery(run, self.backend, lambda: act(run), cut_short)
            except RunLostError as lost:
                raise error_of(lost) from None
            except CommandError as failed:
                raise self._backend_failed(failed) from None

    def make_salt(self, passphrase: str) -> str:
        """A new encryption salt for the passphrase, made by Pulumi itself."""
        with self._workspace("keys", Keys(passphrase, ""), PrivateDirectory()) as (workspace, _):
            workspace.create_stack("keys")
            salt = workspace.stack_settings("keys").encryption_salt
        if not salt:
            raise EngineError("pulumi stack init made no encryption salt")
        return str(salt)

    @property
    def running(self) -> tuple[PulumiProcess, ...]:
        """What runs the commands of each run under way, the oldest run first."""
        return tuple(self._running)

    def run_seconds(self) -> dict[str, float]:
        """How long each run under way has lasted, by its stack."""
        now = time.monotonic()
        return {stack: now - started for stack, started in tuple(self._running.values())}

    def stop(self) -> None:
        """Kill all runs under way, and each later one at its start."""
        self._stopping = True
        for process in self.running:
            process.kill()

    def _operate(
        self, task: Task, workspace: LocalWorkspace, run: RunPlace, report: RunReport
    ) -> ReconcileError | None:
        """Carry out the task's operation; why it failed, None if it succeeded."""
        on_event = listener(report)

        def attempt() -> None:
            report.clear()
            task.backend.give(run, task.checkpoint)
            task.operation(Stack.select(task.stack, workspace), on_event)

        try:
            self._with_recovery(run, task.backend, attempt, task.cut_short)
        except CommandError as failed:
            return report.error(self._one_line(failed))
        return None

    def _with_recovery(
        self, run: RunPlace, backend: Backend, attempt: Callable[[], _T], cut_short: Sequence[CutShort]
    ) -> _T:
        """Attempt it, and once more if the cause of the failure in the backend could be removed."""
        try:
            return attempt()
        except CommandError as failed:
            if not backend.recover(run, self._one_line(failed), cut_short):
                raise
        return attempt()

    def _one_line(self, error: Exception) -> str:
        """The error's message in one line and without secrets."""
        return self.backend.redacted(plain(str(error)))

    def _backend_failed(self, error: CommandError) -> TransientError:
        return TransientError(reasons.BACKEND_FAILED, f"The state backend failed: {self._one_line(error)}")

    @contextmanager
    def _workspace(
        self, stack: str, keys: Keys, backend: Backend
    ) -> Iterator[tuple[LocalWorkspace, RunPlace]]:
        """A private directory to run in, which is removed afterwards. stop() kills what runs in it."""
        process = self.commands()
        self._running[process] = stack, time.monotonic()
        if self._stopping:
            process.kill()
        try:
            with tempfile.TemporaryDirectory(dir=self.run_dir / "runs", ignore_cleanup_errors=True) as path:
                workspace = LocalWorkspace(
                    work_dir=path,
                    pulumi_command=process,
                    env_vars={
                        **self.environment,
                        **backend.environment(Path(path)),
                        BACKEND_VARIABLE: f"file://{path}",
                        "PULUMI_CONFIG_PASSPHRASE": keys.passphrase,
                    },
                    project_settings=ProjectSettings(name=PROJECT, runtime="python"),
                )
                if keys.salt:
                    workspace.save_stack_settings(stack, StackSettings(encryption_salt=keys.salt))

                def command(*args: str) -> str:
                    return process.run(list(args), path, workspace.env_vars).stdout

                yield workspace, RunPlace(stack, Path(path), command)
        finally:
            del self._running[process]


def listener(report: RunReport) -> OnEvent:
    """Passes on to the report those of the engine's events that matter."""

    def on_event(event: EngineEvent) -> None:
        if event.summary_event is not None:
            report.note_changes(
                {str(op): count for op, count in event.summary_event.resource_changes.items()}
            )
        diagnostic = event.diagnostic_event
        if diagnostic is not None and diagnostic.severity == "error":
            report.note_error(diagnostic.message)

    return on_event
