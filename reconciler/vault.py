"""The external backend as the state store sees it, reached through the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.backends import ExternalBackend
from reconciler.checkpoint import Checkpoint
from reconciler.engine import Engine, Keys
from reconciler.locks import CutShort
from reconciler.state import Vault
from reconciler.state_problems import Unusable


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
