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
class _ExternalStore:
    engine: Engine
    backend: ExternalBackend
    keys: Keys

    async def fetch(self, stack: str) -> Checkpoint | Unusable:
        return await self.engine.with_backend(stack, self.keys, self.backend.find)

    async def put(self, stack: str, checkpoint: Checkpoint) -> None:
        await self.engine.with_backend(stack, self.keys, lambda place: self.backend.give(place, checkpoint))

    async def remove(self, stack: str, cut_short: Sequence[CutShort]) -> None:
        await self.engine.with_backend(stack, self.keys, self.backend.remove, cut_short)


def external_store_of(engine: Engine, keys: Keys) -> CheckpointStore | None:
    """What keeps the checkpoints of the engine's runs; None if the state Secrets do."""
    backend = engine.backend
    return _ExternalStore(engine, backend, keys) if isinstance(backend, ExternalBackend) else None
