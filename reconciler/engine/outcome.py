"""How a run ended, and the error of an engine that cannot work at all."""

from dataclasses import dataclass

from reconciler.engine.metrics import RunResult
from reconciler.state.checkpoint import Checkpoint
from reconciler.status.errors import EngineFailedError, EngineTimeoutError, ReconcileError, StalledError


class EngineError(Exception):
    """The engine itself cannot work: no CLI, a wrong version, a run directory in use."""


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    checkpoint: what the run left, to be stored even if the run failed. None if the run was killed: then the earlier
        checkpoint and adoption are what counts.
    changes: number of resources by operation (create, update, delete, same, ...).
    error: why the run failed, None if it succeeded.
    """

    checkpoint: Checkpoint | None
    changes: dict[str, int]
    duration_s: float
    error: ReconcileError | None = None

    @property
    def result(self) -> RunResult:
        """How the run ended, for the metrics."""
        match self:
            case Outcome(error=None):
                return "success"
            case Outcome(error=StalledError()):
                return "rejected"
            case Outcome(checkpoint=None, error=EngineFailedError() | EngineTimeoutError()):
                return "lost"
        return "failed"
