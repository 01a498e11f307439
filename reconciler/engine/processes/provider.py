"""One Pulumi provider that all runs share, behind `pulumi-provider-proxy` (see toolchain/engine-worker).

Starting and configuring a provider takes longer than what most runs do with it. It is replaced after a number of
runs, after a time, and when a failed run looks as if the provider were to blame; runs in progress keep the one
that they have. Where none can be started, engines start private ones.
"""

import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from reconciler.engine.processes.periodic import Periodic
from reconciler.engine.processes.process_tree import kill_tree
from reconciler.engine.processes.providers import ProviderLease
from reconciler.engine.processes.result import RunKilledError
from reconciler.telemetry import metrics

_log = structlog.get_logger()
_START_TIMEOUT_S = 30.0
_STOP_GRACE_S = 2.0
# After a failed start, runs use private providers for this long.
_PAUSE_S = 30.0
_TIDY_INTERVAL_S = 1.0

# What a provider says that will not recover: it found the cluster unreachable while it was configured, its
# credentials have expired, or it is gone.
_SYMPTOMS = (
    "cluster is unreachable",
    "unreachable cluster",
    "the server has asked for the client to provide credentials",
    "Unauthorized",
    "code = Unavailable",
    "error reading from server",
    "did not begin responding to RPC connections",
)


class ProviderFailed(Exception):
    """The shared provider did not start."""


class ProviderProcess:
    """A running proxy and its provider. Both end with this process, however it ends.

    port: where engines attach.
    """

    def __init__(self, proxy: Path, provider: Path, environment: Mapping[str, str], log: Path) -> None:
        """Start them, which takes a few tenths of a second. Raises ProviderFailed. log: file for their stderr."""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [proxy, provider],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        readable = select.poll()
        readable.register(self._process.stdout, select.POLLIN)
        line = self._process.stdout.readline() if readable.poll(_START_TIMEOUT_S * 1000) else b""
        if not line:
            self.stop()
            raise ProviderFailed(f"{proxy} printed no port within {_START_TIMEOUT_S:g} s, see {log}")
        self.port = int(line)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End both processes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            kill_tree(self._process.pid)
            self._process.wait()
        self._process.stdout.close()


@dataclass(frozen=True)
class ProviderLimits:
    """When a provider has served its time: max_runs operations, max_age_s seconds, or idle_s without any."""

    max_runs: int
    max_age_s: float
    idle_s: float


@dataclass(eq=False)
class _Served:
    """A provider and the use that is made of it."""

    process: ProviderProcess
    started: float
    last_used: float
    runs: int = 0
    loans: int = 0
    retired: bool = False


@dataclass
class _SharedLoan(ProviderLease):
    suspicious: bool = field(default=False)

    def examine(self, output: str) -> None:
        """Suspect the provider if the operation failed with a symptom."""
        self.suspicious = any(symptom in output for symptom in _SYMPTOMS)


class SharedProvider:
    """Lends the one provider to all runs.

    start: starts a provider and waits for it; may raise ProviderFailed.
    """

    def __init__(
        self,
        start: Callable[[], ProviderProcess],
        limits: ProviderLimits,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._limits = limits
        self._now = now
        self._lock = threading.Lock()
        self._current: _Served | None = None
        self._paused_until = 0.0
        self._stopping = False
        self._tidying = Periodic("tidy provider", _TIDY_INTERVAL_S, self.tidy)

    def warm_up(self) -> None:
        """Start the provider ahead of the first run, in a thread: whoever needs it meanwhile waits for this one."""
        threading.Thread(target=self._start_first, name="start provider", daemon=True).start()

    @contextmanager
    def lend(self) -> Iterator[ProviderLease]:
        """The shared provider until the block ends; leave to start a private one if it cannot be had."""
        served = self._borrow()
        if served is None:
            yield ProviderLease()
            return
        loan = _SharedLoan({"PULUMI_DEBUG_PROVIDERS": f"kubernetes:{served.process.port}"})
        try:
            yield loan
        except RunKilledError:
            loan.suspicious = True
            raise
        finally:
            self._give_back(served, loan.suspicious)

    def tidy(self) -> None:
        """Stop the provider if it is not used, and replace it if it is worn; the new one is started first."""
        with self._lock:
            served, now = self._current, self._now()
            if served is None:
                return
            if served.loans == 0 and now - served.last_used >= self._limits.idle_s:
                self._retire(served)
                return
            is_spent = served.runs >= self._limits.max_runs
            is_worn = is_spent or now - served.started >= self._limits.max_age_s
        if not is_worn or now < self._paused_until:
            return
        fresh = self._started()
        if fresh is None:
            return
        with self._lock:
            if self._current is served and not self._stopping:
                self._retire(served)
                self._current = fresh
                metrics.engine_restarted("provider", "runs" if is_spent else "age")
                return
        fresh.process.stop()

    def stop(self) -> None:
        """End the provider; from now on there is none."""
        self._tidying.stop()
        with self._lock:
            self._stopping = True
            if self._current is not None:
                self._current.process.stop()
                self._current = None

    def _borrow(self) -> _Served | None:
        with self._lock:
            if self._current is not None and not self._current.process.alive:
                _log.warning("the shared provider has died and is replaced", runs=self._current.runs)
                metrics.engine_restarted("provider", "died")
                self._retire(self._current)
            self._start_if_none()
            served = self._current
            if served is not None:
                served.runs += 1
                served.loans += 1
            return served

    def _start_first(self) -> None:
        with self._lock:
            self._start_if_none()

    def _start_if_none(self) -> None:
        if self._current is None and not self._stopping and self._now() >= self._paused_until:
            # Whoever else wants a provider waits at the lock for this one.
            self._current = self._started()

    def _give_back(self, served: _Served, suspicious: bool) -> None:
        with self._lock:
            served.loans -= 1
            served.last_used = self._now()
            if suspicious and not served.retired:
                _log.warning("the shared provider is replaced after a failure", runs=served.runs)
                metrics.engine_restarted("provider", "failed")
                self._retire(served)
            elif served.retired and served.loans == 0:
                served.process.stop()

    def _retire(self, served: _Served) -> None:
        """Lend it no more; it ends when the last run has given it back."""
        if served is self._current:
            self._current = None
        if not served.retired:
            served.retired = True
            if served.loans == 0:
                served.process.stop()

    def _started(self) -> _Served | None:
        try:
            process = self._start()
        except (ProviderFailed, OSError) as error:
            _log.warning("no shared provider: runs start their own", error=str(error), seconds=_PAUSE_S)
            self._paused_until = self._now() + _PAUSE_S
            return None
        return _Served(process, started=self._now(), last_used=self._now())
