"""The engine: runs Pulumi programs against checkpoints, several at a time, beside the event loop."""

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from pulumi.automation import Stack

from reconciler.engine import metrics
from reconciler.engine.backend import Backend, PrivateDirectory, RunPlace
from reconciler.engine.outcome import Outcome
from reconciler.engine.run_slots import RunSlots
from reconciler.engine.runner import OnEvent, Runner, Task
from reconciler.state.checkpoint import Checkpoint
from reconciler.state.encryption_keys import Keys
from reconciler.state.run_claim import CutShort

# As the Automation API takes it.
InlineProgram = Callable[[], None]
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass
class Engine:
    """Runs programs, in threads.

    runner: does one run after another in each thread.
    concurrent_runs: how many programs run at a time. Those that take longer than slow_run_s no longer count,
        up to `threads` in all.
    """

    runner: Runner
    concurrent_runs: int
    slow_run_s: float
    threads: int

    def __post_init__(self) -> None:
        self._slots = RunSlots(self.concurrent_runs, self.slow_run_s)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="pulumi")

    @property
    def backend(self) -> Backend:
        """Where the checkpoints of runs come from and go to."""
        return self.runner.backend

    async def up(
        self,
        stack: str,
        program: InlineProgram,
        checkpoint: Checkpoint,
        keys: Keys,
        refresh: bool = False,
        cut_short: Sequence[CutShort] = (),
    ) -> Outcome:
        """Make the cluster hold what the program declares; with refresh, after reading what is really there.

        cut_short: earlier runs on this stack whose locks may be left in the backend.
        """

        def up(selected: Stack, on_event: OnEvent) -> None:
            selected.up(program=program, refresh=refresh or None, on_event=on_event)

        return await self._run(Task("up", stack, checkpoint, keys, up, self.backend, cut_short))

    async def destroy(
        self, stack: str, checkpoint: Checkpoint, keys: Keys, cut_short: Sequence[CutShort] = ()
    ) -> Outcome:
        """Delete all that the checkpoint holds, save for what is to be retained."""

        def destroy(selected: Stack, on_event: OnEvent) -> None:
            selected.destroy(on_event=on_event)

        return await self._run(Task("destroy", stack, checkpoint, keys, destroy, self.backend, cut_short))

    async def reveal(self, stack: str, checkpoint: Checkpoint, keys: Keys) -> dict[str, Any]:
        """The deployment with its secrets in plain text, as `pulumi stack export` prints it. Raises ReconcileError."""
        exported: list[str] = []

        def export(selected: Stack, _: OnEvent) -> None:
            args = ["stack", "export", "--show-secrets", "--stack", stack]
            workspace = selected.workspace
            exported.append(workspace.pulumi_command.run(args, workspace.work_dir, workspace.env_vars).stdout)

        # The checkpoint is at hand, so no external backend need be asked.
        outcome = await self._run(Task("reveal", stack, checkpoint, keys, export, PrivateDirectory()))
        if outcome.error is not None:
            raise outcome.error
        deployment: dict[str, Any] = json.loads(exported[0])
        return deployment

    async def with_backend(
        self, stack: str, keys: Keys, act: Callable[[RunPlace], _T], cut_short: Sequence[CutShort] = ()
    ) -> _T:
        """Do something with a stack in the backend that is no run. Raises TransientError if the backend fails."""
        return await self._in_thread(self.runner.with_backend, stack, keys, act, cut_short)

    async def make_salt(self, passphrase: str) -> str:
        """A new encryption salt for the passphrase, made by Pulumi itself. Raises EngineError."""
        return await self._in_thread(self.runner.make_salt, passphrase)

    def run_seconds(self) -> dict[str, float]:
        """How long each run under way has lasted, by its stack."""
        return self.runner.run_seconds()

    def stop(self) -> None:
        """Kill what runs and take no more. Nothing is lost: the next run adopts what was made."""
        self.runner.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self.runner.run_dir / "runs", ignore_errors=True)

    async def _run(self, task: Task) -> Outcome:
        async with self._slots.take():
            outcome = await self._in_thread(self.runner.run, task)
        metrics.engine_run(task.stack, task.name, outcome.result, outcome.duration_s)
        return outcome

    async def _in_thread(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        # The context of the pass comes along, for the run's log lines.
        call = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
