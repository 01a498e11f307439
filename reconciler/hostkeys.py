"""Where a DevServer's host keys come from: the live Secret, then the stack's state, else new ones.

New keys are made only after an uncached "not found" and a state that holds none, so clients never see keys
change while the DevServer lives.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler import checkpoint
from reconciler.checkpoint import Checkpoint
from reconciler.cluster import Object
from reconciler.engine import Engine, Keys
from reconciler.errors import Stalled
from reconciler.sshkeys import (
    HOST_KEY_FILES,
    generate_host_keys,
    host_keys_of_user,
    managed_host_keys,
    secret_files,
)
from reconciler.world import belongs_to, is_managed
from stacks.devserver.program import HostKeys
from stacks.metadata import Child, Owner

# Gives the host keys of a DevServer, whose Secret is the child.
HostKeySource = Callable[[Owner, Child], Awaitable[HostKeys]]


# Looks at the object of a child's name as it is now, never in a cache.
Look = Callable[[Child], Awaitable[Object | None]]


class SpoiledHostKeys(Stalled):
    """Someone made the Secret that is ours unusable."""


async def live_host_keys(look: Look, owner: Owner, child: Child) -> HostKeys | None:
    """What the Secret in the cluster calls for; None if there is none. Raises Stalled if it holds no usable key."""
    live = await look(child)
    if live is None:
        return None
    if not is_managed(live):
        return host_keys_of_user(live)
    if belongs_to(live, owner, child):
        try:
            return managed_host_keys(secret_files(live))
        except Stalled as error:
            raise SpoiledHostKeys(error.reason, error.message) from error
    # Left over from an earlier life of this name, whose keys must not be used again.
    return generate_host_keys()


@dataclass(frozen=True)
class HostKeyFinder:
    """Finds the host keys of one DevServer, whose stack and stored state these are."""

    look: Look
    engine: Engine
    keys: Keys
    stack: str
    state: Checkpoint

    async def __call__(self, owner: Owner, child: Child) -> HostKeys:
        """The host keys to use. Raises Stalled if there is a Secret and neither it nor the state has a usable key."""
        try:
            live = await live_host_keys(self.look, owner, child)
        except SpoiledHostKeys:
            recorded = await self._recorded(child)
            if recorded is None:
                raise
            return recorded
        if live is not None and live.private is not None and not live.private.keys() >= set(HOST_KEY_FILES):
            # Someone removed one.
            return await self._recorded(child) or live
        return live or await self._recorded(child) or generate_host_keys()

    async def _recorded(self, child: Child) -> HostKeys | None:
        if child not in checkpoint.children(self.state):
            return None
        files = checkpoint.secret_data(await self.engine.reveal(self.stack, self.state, self.keys), child)
        return managed_host_keys(files) if files else None
