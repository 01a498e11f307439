"""The external backend as the state store sees it, reached through the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.engine.backend import ExternalBackend
from reconciler.engine.engine import Engine
from reconciler.state.checkpoint import Checkpoint
from reconciler.state.diagnosis import Unusable
from reconciler.state.encryption_keys import Keys
from reconciler.state.run_claim import CutShort
from reconciler.state.store import CheckpointStore


@dataclass(frozen=True)
class ExternalStore(CheckpointStore):
    """The checkpoints in the engine's external backend."""

    engine: Engine
    backend: ExternalBackend
    keys: Keys

    async def fetch(self, stack: str) -> Checkpoint | Unusable:
        """The stack's checkpoint. Raises TransientError if the backend fails, as all methods do."""
        return await self.engine.with_backend(stack, self.keys, self.backend.find)

    async def put(self, stack: str, checkpoint: Checkpoint) -> None:
        """Have the backend hold that checkpoint."""
        await self.engine.with_backend(stack, self.keys, lambda run: self.backend.give(run, checkpoint))

    async def remove(self, stack: str, cut_short: Sequence[CutShort]) -> None:
        """Remove the stack, if it is there."""
        await self.engine.with_backend(stack, self.keys, self.backend.remove, cut_short)


def external_store_of(engine: Engine, keys: Keys) -> CheckpointStore | None:
    """The store that keeps the checkpoints of the engine's runs; None if the state Secrets keep them."""
    backend = engine.backend
    return ExternalStore(engine, backend, keys) if isinstance(backend, ExternalBackend) else None
