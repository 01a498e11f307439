"""Where the Pulumi provider of a run comes from: one process that all runs share, or one of the run's own.

Starting and configuring a provider takes longer than what most runs do with it, so all runs share one. It runs behind
`pulumi-provider-proxy` (see toolchain/engine-worker). It is replaced after a number of runs, after a time, and when a
failed run looks as if the provider were to blame. Runs in progress keep the one that they have. If none can be
started, engines start private ones.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from reconciler.engine import metrics
from reconciler.engine.processes.periodic import Periodic
from reconciler.engine.processes.provider_process import ProviderError, ProviderProcess
from reconciler.engine.processes.result import RunKilledError

_log = structlog.get_logger()
# After a failed start, runs use private providers for this long.
_PAUSE_S = 30.0
_TIDY_INTERVAL_S = 1.0

# The errors of a provider that will not recover: it found the cluster unreachable while it was configured, its
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


@dataclass
class ProviderLease:
    """A provider for the length of one operation. environment: the variables by which the engine finds it."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def examine(self, output: str) -> None:
        """Look in the output of a failed operation for signs that the provider is broken."""


class Providers(Protocol):
    """Leases providers to operations."""

    def lease(self) -> AbstractContextManager[ProviderLease]:
        """A provider until the block ends. Never fails: without a shared one, the engine starts its own."""


class PrivateProviders:
    """Each engine starts a provider for each of its operations, and ends it."""

    @contextmanager
    def lease(self) -> Iterator[ProviderLease]:
        """A lease of nothing: the engine starts its own provider."""
        yield ProviderLease()


@dataclass(frozen=True)
class ProviderLimits:
    """When a provider is replaced or stopped: after max_runs operations, max_age_s seconds, or idle_s unused."""

    max_runs: int
    max_age_s: float
    idle_s: float


@dataclass(eq=False)
class _Served:
    """A provider and how it has been used so far."""

    process: ProviderProcess
    started: float
    last_used: float
    runs: int = 0
    leases: int = 0
    retired: bool = False


@dataclass
class _SharedLease(ProviderLease):
    suspicious: bool = field(default=False)

    def examine(self, output: str) -> None:
        """Suspect the provider if the operation failed with a symptom."""
        self.suspicious = any(symptom in output for symptom in _SYMPTOMS)


class SharedProvider:
    """Leases the one provider to all runs.

    start: starts a provider and waits for it. May raise ProviderError.
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
        """Start the provider in a thread, ahead of the first run. Runs that need it meanwhile wait for it."""
        threading.Thread(target=self._start_first, name="start provider", daemon=True).start()

    @contextmanager
    def lease(self) -> Iterator[ProviderLease]:
        """The shared provider until the block ends. If there is none, the engine starts its own."""
        served = self._acquire()
        if served is None:
            yield ProviderLease()
            return
        lease = _SharedLease({"PULUMI_DEBUG_PROVIDERS": f"kubernetes:{served.process.port}"})
        try:
            yield lease
        except RunKilledError:
            lease.suspicious = True
            raise
        finally:
            self._release(served, lease.suspicious)

    def tidy(self) -> None:
        """Stop an idle provider, and replace a worn one. The new one starts before the old one ends."""
        with self._lock:
            served, now = self._current, self._now()
            if served is None:
                return
            if served.leases == 0 and now - served.last_used >= self._limits.idle_s:
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
        """End the provider. No other is started."""
        self._tidying.stop()
        with self._lock:
            self._stopping = True
            if self._current is not None:
                self._current.process.stop()
                self._current = None

    def _acquire(self) -> _Served | None:
        with self._lock:
            if self._current is not None and not self._current.process.alive:
                _log.warning("the shared provider has died and is replaced", runs=self._current.runs)
                metrics.engine_restarted("provider", "died")
                self._retire(self._current)
            self._start_if_none()
            served = self._current
            if served is not None:
                served.runs += 1
                served.leases += 1
            return served

    def _start_first(self) -> None:
        with self._lock:
            self._start_if_none()

    def _start_if_none(self) -> None:
        if self._current is None and not self._stopping and self._now() >= self._paused_until:
            # Other runs wait at the lock until this one has started.
            self._current = self._started()

    def _release(self, served: _Served, suspicious: bool) -> None:
        with self._lock:
            served.leases -= 1
            served.last_used = self._now()
            if suspicious and not served.retired:
                _log.warning("the shared provider is replaced after a failure", runs=served.runs)
                metrics.engine_restarted("provider", "failed")
                self._retire(served)
            elif served.retired and served.leases == 0:
                served.process.stop()

    def _retire(self, served: _Served) -> None:
        """Lease it to no more runs. It ends when the last run has released it."""
        if served is self._current:
            self._current = None
        if not served.retired:
            served.retired = True
            if served.leases == 0:
                served.process.stop()

    def _started(self) -> _Served | None:
        try:
            process = self._start()
        except (ProviderError, OSError) as error:
            _log.warning("no shared provider: runs start their own", error=str(error), seconds=_PAUSE_S)
            self._paused_until = self._now() + _PAUSE_S
            return None
        return _Served(process, started=self._now(), last_used=self._now())
