"""The external backend as the state store sees it, reached through the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.engine.backend import ExternalBackend
from reconciler.engine.engine import Engine, Keys
from reconciler.engine.locks import CutShort
from reconciler.state.checkpoint import Checkpoint
from reconciler.state.diagnosis import Unusable
from reconciler.state.store import Vault


@dataclass(frozen=True)
class _ExternalVault:
    engine: Engine
    backend: ExternalBackend
    keys: Keys

    async def fetch(self, stack: str) -> Checkpoint | Unusable:
        return await self.engine.visit(stack, self.keys, self.backend.find)

    async def put(self, stack: str, checkpoint: Checkpoint) -> None:
        await self.engine.visit(stack, self.keys, lambda place: self.backend.give(place, checkpoint))

    async def remove(self, stack: str, cut_short: Sequence[CutShort]) -> None:
        await self.engine.visit(stack, self.keys, self.backend.remove, cut_short)


def vault_of(engine: Engine, keys: Keys) -> Vault | None:
    """What keeps the checkpoints of the engine's runs; None if the state Secrets do."""
    backend = engine.backend
    return _ExternalVault(engine, backend, keys) if isinstance(backend, ExternalBackend) else None
