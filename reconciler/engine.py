"""The engine: runs Pulumi programs against checkpoints. The one module that imports `pulumi.automation`.

Every run gets a fresh private directory, removed after, so that a killed run leaves nothing that matters. Where its
checkpoint comes from and goes to is the backend's part (backends.py).
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pulumi.automation import (
    LocalWorkspace,
    ProjectSettings,
    Stack,
    StackSettings,
)
from pulumi.automation.errors import CommandError
from pulumi.automation.events import EngineEvent

from reconciler import metrics, reasons
from reconciler.backends import Backend, Place, PrivateDirectory
from reconciler.checkpoint import PROJECT, Checkpoint
from reconciler.errors import EngineFailed, EngineTimeout, ReconcileError, Stalled, Transient
from reconciler.locks import CutShort
from reconciler.processes import BACKEND_VARIABLE
from reconciler.pulumi_cli import PulumiProcess
from reconciler.run_report import RunReport, error_of, plain
from reconciler.run_slots import RunSlots
from reconciler.runs import RunLost

Program = Callable[[], None]
OnEvent = Callable[[EngineEvent], None]
_Operation = Callable[[Stack, OnEvent], None]
_T = TypeVar("_T")


class EngineError(Exception):
    """The engine itself cannot work: no CLI, a wrong version, a run directory in use."""


@dataclass(frozen=True)
class Keys:
    """What Pulumi encrypts secrets in checkpoints with. salt: value of `encryptionsalt`, made for passphrase."""

    passphrase: str = field(repr=False)
    salt: str


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    checkpoint: the state after it, to be stored even if it failed; None if the run was killed, for then the
        earlier state plus adoption is what counts.
    changes: number of resources by operation (create, update, delete, same, ...).
    error: why it failed, None if it succeeded.
    """

    checkpoint: Checkpoint | None
    changes: dict[str, int]
    duration_s: float
    error: ReconcileError | None = None


@dataclass(frozen=True)
class _Task:
    """A run to be done. name: of the operation, for the metrics."""

    name: metrics.Operation
    stack: str
    state: Checkpoint
    keys: Keys
    operation: _Operation
    backend: Backend
    cut_short: Sequence[CutShort] = ()


@dataclass
class Engine:
    """Runs programs, in threads.

    commands: makes what runs the commands of one run.
    run_dir: its directory `runs` holds the private directories of the runs.
    environment: all that the environment of every run has in common.
    concurrent_runs: how many programs run at a time; those that take longer than slow_run_s no longer count,
        up to `threads` in all.
    backend: where the checkpoints of runs come from and go to.
    """

    commands: Callable[[], PulumiProcess]
    run_dir: Path
    environment: Mapping[str, str]
    concurrent_runs: int
    slow_run_s: float
    threads: int
    backend: Backend = field(default_factory=PrivateDirectory)
    # With the stack and the time of the start.
    _running: dict[PulumiProcess, tuple[str, float]] = field(default_factory=dict)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._slots = RunSlots(self.concurrent_runs, self.slow_run_s)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="pulumi")

    async def up(
        self,
        stack: str,
        program: Program,
        state: Checkpoint,
        keys: Keys,
        refresh: bool = False,
        cut_short: Sequence[CutShort] = (),
    ) -> Outcome:
        """Make the cluster hold what the program declares; with refresh, after reading what is really there.

        cut_short: earlier runs on this stack whose locks may be left in the backend.
        """

        def up(selected: Stack, on_event: OnEvent) -> None:
            selected.up(program=program, refresh=refresh or None, on_event=on_event)

        return await self._submit(_Task("up", stack, state, keys, up, self.backend, cut_short))

    async def destroy(
        self, stack: str, state: Checkpoint, keys: Keys, cut_short: Sequence[CutShort] = ()
    ) -> Outcome:
        """Delete all that the checkpoint holds, save for what is to be retained."""

        def destroy(selected: Stack, on_event: OnEvent) -> None:
            selected.destroy(on_event=on_event)

        return await self._submit(_Task("destroy", stack, state, keys, destroy, self.backend, cut_short))

    async def reveal(self, stack: str, state: Checkpoint, keys: Keys) -> dict[str, Any]:
        """The deployment with its secrets in plain text, as `pulumi stack export` prints it."""
        exported: list[str] = []

        def export(selected: Stack, _: OnEvent) -> None:
            args = ["stack", "export", "--show-secrets", "--stack", stack]
            workspace = selected.workspace
            exported.append(workspace.pulumi_command.run(args, workspace.work_dir, workspace.env_vars).stdout)

        # The state is at hand, so that no external backend need be asked.
        outcome = await self._submit(_Task("reveal", stack, state, keys, export, PrivateDirectory()))
        if outcome.error is not None:
            raise outcome.error
        deployment: dict[str, Any] = json.loads(exported[0])
        return deployment

    async def visit(
        self, stack: str, keys: Keys, act: Callable[[Place], _T], cut_short: Sequence[CutShort] = ()
    ) -> _T:
        """Do something with a stack in the backend that is no run. Raises Transient if the backend fails."""

        def work() -> _T:
            with self._place(stack, keys, self.backend) as (_, place):
                try:
                    return self._insist(place, self.backend, lambda: act(place), cut_short)
                except RunLost as lost:
                    raise error_of(lost) from None
                except CommandError as failed:
                    raise self._backend_failed(failed) from None

        return await asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, work)

    async def make_salt(self, passphrase: str) -> str:
        """A new encryption salt for the passphrase, made by Pulumi itself."""

        def init() -> str:
            with self._place("keys", Keys(passphrase, ""), PrivateDirectory()) as (workspace, _):
                workspace.create_stack("keys")
                salt = workspace.stack_settings("keys").encryption_salt
            if not salt:
                raise EngineError("pulumi stack init made no encryption salt")
            return str(salt)

        return await asyncio.get_running_loop().run_in_executor(self._pool, init)

    def run_seconds(self) -> dict[str, float]:
        """How long each run under way has lasted, by its stack."""
        now = time.monotonic()
        return {stack: now - started for stack, started in tuple(self._running.values())}

    def stop(self) -> None:
        """Kill what runs and take no more. Nothing is lost: the next run adopts what was made."""
        self._stopping = True
        for process in tuple(self._running):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self.run_dir / "runs", ignore_errors=True)

    async def _submit(self, task: _Task) -> Outcome:
        loop = asyncio.get_running_loop()
        async with self._slots.take():
            # The run's log lines carry the context of the pass.
            outcome = await loop.run_in_executor(self._pool, copy_context().run, self._run, task)
        metrics.engine_run(task.stack, task.name, _result(outcome), outcome.duration_s)
        return outcome

    def _run(self, task: _Task) -> Outcome:
        started = time.monotonic()
        report = RunReport(self.backend.redacted)

        on_event = listener(report)

        def outcome(state: Checkpoint | None, error: ReconcileError | None) -> Outcome:
            return Outcome(state, report.changes, time.monotonic() - started, error)

        try:
            with self._place(task.stack, task.keys, task.backend) as (workspace, place):

                def attempt() -> None:
                    report.clear()
                    task.backend.give(place, task.state)
                    task.operation(Stack.select(task.stack, workspace), on_event)

                def operate() -> ReconcileError | None:
                    try:
                        self._insist(place, task.backend, attempt, task.cut_short)
                    except CommandError as failed:
                        return report.error(self._told(failed))
                    return None

                try:
                    error = operate()
                    return outcome(task.backend.take(place), error)
                except RunLost as lost:
                    return outcome(None, error_of(lost))
                except Transient as waiting:
                    return outcome(None, waiting)
                except CommandError as failed:
                    return outcome(None, self._backend_failed(failed))
        except OSError as failed:
            # Of the run's own files: most likely there is no room for them.
            why = (
                f"The run directory {self.run_dir} cannot be used: {failed.strerror or failed}; trying again."
            )
            return outcome(None, EngineFailed(reasons.RUN_FAILED, why))

    def _insist(
        self, place: Place, backend: Backend, attempt: Callable[[], _T], cut_short: Sequence[CutShort]
    ) -> _T:
        """Attempt it, and once more if the backend could be brought in order."""
        try:
            return attempt()
        except CommandError as failed:
            if not backend.recover(place, self._told(failed), cut_short):
                raise
        return attempt()

    def _told(self, error: Exception) -> str:
        """What an error says, in one line and without secrets."""
        return self.backend.redacted(plain(str(error)))

    def _backend_failed(self, error: CommandError) -> Transient:
        return Transient(reasons.BACKEND_FAILED, f"The state backend failed: {self._told(error)}")

    @contextmanager
    def _place(self, stack: str, keys: Keys, backend: Backend) -> Iterator[tuple[LocalWorkspace, Place]]:
        """A private directory to run in, removed afterwards; its processes end with the engine."""
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

                yield workspace, Place(stack, Path(path), command)
        finally:
            del self._running[process]


def listener(report: RunReport) -> OnEvent:
    """Tells the report what matters of the engine's events."""

    def note(event: EngineEvent) -> None:
        if event.summary_event is not None:
            report.note_changes(
                {str(op): count for op, count in event.summary_event.resource_changes.items()}
            )
        diagnostic = event.diagnostic_event
        if diagnostic is not None and diagnostic.severity == "error":
            report.note_error(diagnostic.message)

    return note


def _result(outcome: Outcome) -> metrics.RunResult:
    """How the run ended, for the metrics."""
    match outcome:
        case Outcome(error=None):
            return "success"
        case Outcome(error=Stalled()):
            return "rejected"
        case Outcome(checkpoint=None, error=EngineFailed() | EngineTimeout()):
            return "lost"
    return "failed"
