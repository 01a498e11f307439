"""The engine: runs Pulumi programs against checkpoints. The one module that imports `pulumi.automation`.

Every run gets a fresh private backend directory, filled from the checkpoint and removed after, so that lock
files cannot go stale and a killed run leaves nothing that matters.
"""

import asyncio
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pulumi.automation import (
    LocalWorkspace,
    ProjectBackend,
    ProjectSettings,
    PulumiCommand,
    Stack,
    StackSettings,
)
from pulumi.automation.errors import CommandError
from pulumi.automation.events import EngineEvent

from reconciler import reasons
from reconciler.checkpoint import PROJECT, Checkpoint
from reconciler.errors import EngineFailed, EngineTimeout, ReconcileError, Stalled, Waiting
from reconciler.processes import BACKEND_VARIABLE
from reconciler.pulumi_cli import PulumiProcess
from reconciler.run_slots import RunSlots
from reconciler.runs import RunKilled, RunLost

Program = Callable[[], None]
_Operation = Callable[[Stack, Callable[[EngineEvent], None]], object]

# A refusal for good: the same inputs would be refused again.
_REJECTIONS = re.compile(
    r"\bis invalid\b|Invalid value|Unsupported value|field is immutable|\bForbidden: updates to"
    r"|admission webhook \S+ denied the request|ValidatingAdmissionPolicy .* denied request"
)
_WEBHOOK_AWAY = re.compile(r"failed calling webhook")
_AWAY = re.compile(
    r"cluster is unreachable|connect: connection refused|TLS handshake timeout|etcdserver: |connection reset by peer"
)
_QUOTA = re.compile(r"is forbidden: exceeded quota: ")
_TERMINATING = re.compile(r"unable to create new content in namespace \S+ because it is being terminated")
_FOREIGN = re.compile(r"belongs to someone else \(devserver-managed-objects\)")


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


@dataclass
class Engine:
    """Runs programs, in threads.

    commands: makes what runs the commands of one run.
    run_dir: its directory `runs` holds the private directories of the runs.
    environment: all that the environment of every run has in common.
    concurrent_runs: how many programs run at a time; those that take longer than slow_run_s no longer count,
        up to `threads` in all.
    """

    commands: Callable[[], PulumiProcess]
    run_dir: Path
    environment: Mapping[str, str]
    concurrent_runs: int
    slow_run_s: float
    threads: int
    _running: set[PulumiProcess] = field(default_factory=set)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._slots = RunSlots(self.concurrent_runs, self.slow_run_s)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="pulumi")

    async def up(
        self, stack: str, program: Program, state: Checkpoint, keys: Keys, refresh: bool = False
    ) -> Outcome:
        """Make the cluster hold what the program declares; with refresh, after reading what is really there."""
        return await self._submit(
            stack,
            state,
            keys,
            lambda s, on_event: s.up(program=program, refresh=refresh or None, on_event=on_event),
        )

    async def destroy(self, stack: str, state: Checkpoint, keys: Keys) -> Outcome:
        """Delete all that the checkpoint holds, save for what is to be retained."""
        return await self._submit(stack, state, keys, lambda s, on_event: s.destroy(on_event=on_event))

    async def reveal(self, stack: str, state: Checkpoint, keys: Keys) -> dict[str, Any]:
        """The deployment with its secrets in plain text, as `pulumi stack export` prints it."""
        exported: list[str] = []

        def export(selected: Stack, _: Callable[[EngineEvent], None]) -> None:
            args = ["stack", "export", "--show-secrets", "--stack", stack]
            workspace = selected.workspace
            exported.append(workspace.pulumi_command.run(args, workspace.work_dir, workspace.env_vars).stdout)

        outcome = await self._submit(stack, state, keys, export)
        if outcome.error is not None:
            raise outcome.error
        deployment: dict[str, Any] = json.loads(exported[0])
        return deployment

    async def make_salt(self, passphrase: str) -> str:
        """A new encryption salt for the passphrase, made by Pulumi itself."""

        def init() -> str:
            with self._workspace(self.commands(), Keys(passphrase, "")) as ws:
                ws.create_stack("keys")
                salt = ws.stack_settings("keys").encryption_salt
            if not salt:
                raise EngineError("pulumi stack init made no encryption salt")
            return str(salt)

        return await asyncio.get_running_loop().run_in_executor(self._pool, init)

    def stop(self) -> None:
        """Kill what runs and take no more. Nothing is lost: the next run adopts what was made."""
        self._stopping = True
        for process in tuple(self._running):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self.run_dir / "runs", ignore_errors=True)

    async def _submit(self, stack: str, state: Checkpoint, keys: Keys, operation: _Operation) -> Outcome:
        loop = asyncio.get_running_loop()
        async with self._slots.take():
            # The run's log lines carry the context of the pass.
            run = partial(self._run, stack, state, keys, operation)
            return await loop.run_in_executor(self._pool, copy_context().run, run)

    def _run(self, stack: str, state: Checkpoint, keys: Keys, operation: _Operation) -> Outcome:
        started = time.monotonic()
        process = self.commands()
        report = _Report()
        self._running.add(process)
        if self._stopping:
            process.kill()
        try:
            with self._workspace(process, keys) as workspace:
                state_file = _write_state(workspace, stack, state, keys)
                error: ReconcileError | None = None
                try:
                    operation(Stack.select(stack, workspace), report.note)
                except RunLost as lost:
                    return Outcome(None, report.changes, time.monotonic() - started, _error_of(lost))
                except CommandError as failed:
                    error = report.error(str(failed))
                return Outcome(state_file.read_bytes(), report.changes, time.monotonic() - started, error)
        finally:
            self._running.discard(process)

    @contextmanager
    def _workspace(self, process: PulumiCommand, keys: Keys) -> Iterator[LocalWorkspace]:
        """A private backend and work directory, removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self.run_dir / "runs", ignore_cleanup_errors=True) as directory:
            yield LocalWorkspace(
                work_dir=directory,
                pulumi_command=process,
                env_vars={
                    **self.environment,
                    BACKEND_VARIABLE: f"file://{directory}",
                    "PULUMI_CONFIG_PASSPHRASE": keys.passphrase,
                },
                project_settings=ProjectSettings(
                    name=PROJECT, runtime="python", backend=ProjectBackend(url=f"file://{directory}")
                ),
            )


def _write_state(workspace: LocalWorkspace, stack: str, state: Checkpoint, keys: Keys) -> Path:
    """Fill the private backend; returns the file that holds the checkpoint, before and after the run."""
    backend = Path(workspace.work_dir) / ".pulumi"
    state_file = backend / "stacks" / PROJECT / f"{stack}.json"
    state_file.parent.mkdir(parents=True)
    state_file.write_bytes(state)
    (backend / "meta.yaml").write_text("version: 1\n")
    workspace.save_stack_settings(stack, StackSettings(encryption_salt=keys.salt))
    return state_file


class _Report:
    """Collects what the engine says about a run."""

    def __init__(self) -> None:
        self.changes: dict[str, int] = {}
        self._errors: list[str] = []

    def note(self, event: EngineEvent) -> None:
        if event.summary_event is not None:
            self.changes = {str(op): count for op, count in event.summary_event.resource_changes.items()}
        diagnostic = event.diagnostic_event
        if diagnostic is not None and diagnostic.severity == "error":
            self._errors.append(_plain(diagnostic.message))

    def error(self, output: str) -> ReconcileError:
        """The error that a failed command stands for."""
        # The engine closes with a line that only says that the update failed.
        telling = [
            text for text in dict.fromkeys(self._errors) if text not in ("update failed", "preview failed")
        ]
        message = "; ".join(telling) or _plain(output)
        message = message if len(message) <= 1000 else message[:1000] + " ..."
        if _FOREIGN.search(message):
            return Stalled(reasons.NAME_CONFLICT, message)
        if _QUOTA.search(message):
            return Waiting(reasons.QUOTA_EXCEEDED, message)
        if _TERMINATING.search(message):
            return Waiting(reasons.NAMESPACE_TERMINATING, message)
        if _REJECTIONS.search(message):
            return Stalled(reasons.REJECTED, message)
        if _WEBHOOK_AWAY.search(message):
            return EngineFailed(reasons.WEBHOOK_FAILED, message)
        if _AWAY.search(message):
            return EngineFailed(reasons.CLUSTER_ERROR, message)
        return EngineFailed(reasons.RUN_FAILED, message)


def _error_of(lost: RunLost) -> ReconcileError:
    if isinstance(lost, RunKilled):
        return EngineTimeout(reasons.RUN_TIMEOUT, f"The Pulumi run was {lost}; trying again.")
    return EngineFailed(reasons.RUN_FAILED, f"The Pulumi engine {_plain(str(lost))}; trying again.")


def _plain(text: str) -> str:
    """The text in one line, without Pulumi's colour directives and without control characters."""
    text = re.sub(r"<\{%[^%]*%\}>", "", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
