"""The pool of warm engine workers.

A worker is replaced after a number of operations, above an amount of memory, after a panic, and when it was killed.
(The engine leaks a little memory and some descriptors.) The successor starts while its predecessor is still at work,
or at least before a run waits for it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from reconciler.engine import metrics
from reconciler.engine.processes.periodic import Periodic
from reconciler.engine.processes.result import EngineDiedError
from reconciler.engine.processes.worker import Worker

_log = structlog.get_logger()


@dataclass(frozen=True)
class WorkerLimits:
    """When a worker is replaced or stopped.

    max_runs: operations; max_rss_mb: resident memory in MiB; idle_s: seconds without an operation, after which
    all workers but one are stopped.
    """

    max_runs: int
    max_rss_mb: float
    idle_s: float


class WorkerPool:
    """Leases workers. There are as many as are leased at a time, so that no run waits for the end of another.

    start: makes a new worker, without waiting for it.
    """

    def __init__(
        self,
        start: Callable[[], Worker],
        limits: WorkerLimits,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._limits = limits
        self._now = now
        self._lock = threading.Lock()
        # The longest idle first, with the time since when.
        self._idle: list[tuple[float, Worker]] = []
        self._stopping = False
        self._add_spare()
        self._tidying = Periodic("tidy workers", max(0.1, limits.idle_s / 4), self.tidy)

    @contextmanager
    def lease(self) -> Iterator[Worker]:
        """A worker until the block ends. Raises EngineDiedError if none can be started."""
        worker = self._take()
        if worker.runs + 1 == self._limits.max_runs:
            self._add_spare()
        try:
            yield worker
        finally:
            self._take_back(worker)

    def tidy(self) -> None:
        """Stop workers that have been idle for too long, all but one."""
        with self._lock:
            stale = [item for item in self._idle[:-1] if self._now() - item[0] >= self._limits.idle_s]
            self._idle = [item for item in self._idle if item not in stale]
        for _, worker in stale:
            worker.stop()

    def stop(self) -> None:
        """End all idle workers and keep none from now on. (Busy ones are killed with their runs.)"""
        with self._lock:
            self._stopping = True
            idle, self._idle = self._idle, []
        self._tidying.stop()
        for _, worker in idle:
            worker.stop()

    def _take(self) -> Worker:
        with self._lock:
            while self._idle:
                _, worker = self._idle.pop()
                if worker.usable:
                    return worker
                worker.stop()
                metrics.engine_restarted("worker", "died")
        try:
            return self._start()
        except OSError as error:
            raise EngineDiedError(f"cannot be started: {error}") from error

    def _take_back(self, worker: Worker) -> None:
        worn = worker.runs >= self._limits.max_runs or worker.rss_mb > self._limits.max_rss_mb
        if not worker.broken and not worn and self._keep(worker, last=True):
            return
        if worker.broken:
            _log.warning("an engine worker is replaced after a failure", pid=worker.pid, runs=worker.runs)
        is_spent = worker.runs >= self._limits.max_runs
        if not self._stopping:
            why: metrics.RestartReason = "failed" if worker.broken else "runs" if is_spent else "memory"
            metrics.engine_restarted("worker", why)
        worker.stop()
        # A worker that has done all its runs got its successor when the last of them began.
        if not is_spent:
            self._add_spare()

    def _add_spare(self) -> None:
        """Have one idle worker. More would cost memory, and workers that start together are worn together."""
        if self._stopping or self._idle:
            return
        try:
            spare = self._start()
        except OSError as error:
            _log.warning("an engine worker cannot be started", error=str(error))
            return
        if not self._keep(spare, last=False):
            spare.stop()

    def _keep(self, worker: Worker, last: bool) -> bool:
        """Add an idle worker. The last one is leased next. False if the pool stops."""
        with self._lock:
            if self._stopping:
                return False
            self._idle.insert(len(self._idle) if last else 0, (self._now(), worker))
        return True
