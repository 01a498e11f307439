"""Where a DevServer's host keys come from: the live Secret, then the stack's state, else new ones.

New keys are made only after an uncached "not found" and a state that holds none, so clients never see keys
change while the DevServer lives.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler import checkpoint
from reconciler.cluster import SECRET, Cluster
from reconciler.engine import Engine, Keys
from reconciler.queue import Key
from reconciler.sshkeys import (
    generate_host_keys,
    host_keys_of_user,
    managed_host_keys,
    secret_files,
)
from reconciler.state import StackId, StateStore
from reconciler.world import belongs_to, is_managed
from stacks.devserver import HostKeys
from stacks.metadata import Child, Owner

# Gives the host keys of a DevServer, whose Secret is the child.
HostKeySource = Callable[[Owner, Child], Awaitable[HostKeys]]


async def live_host_keys(cluster: Cluster, owner: Owner, child: Child) -> HostKeys | None:
    """What the Secret in the cluster calls for; None if there is none. Raises Stalled if it holds no usable key."""
    live = await cluster.get(SECRET, child.namespace, child.name)
    if live is None:
        return None
    if not is_managed(live):
        return host_keys_of_user(live)
    if belongs_to(live, owner, child):
        return managed_host_keys(secret_files(live))
    # Left over from an earlier life of this name, whose keys must not be used again.
    return generate_host_keys()


@dataclass(frozen=True)
class HostKeyFinder:
    """Finds the host keys of one DevServer after the other."""

    cluster: Cluster
    engine: Engine
    keys: Keys
    states: StateStore

    async def __call__(self, owner: Owner, child: Child) -> HostKeys:
        """The host keys to use. Raises Stalled if there is a Secret and it holds no usable key."""
        live = await live_host_keys(self.cluster, owner, child)
        return live or await self._recorded(owner, child) or generate_host_keys()

    async def _recorded(self, owner: Owner, child: Child) -> HostKeys | None:
        id = StackId(Key(owner.kind, owner.namespace, owner.name), owner.uid)
        state = (await self.states.load(id)).checkpoint
        if child not in checkpoint.children(state):
            return None
        files = checkpoint.secret_data(await self.engine.reveal(id.stack, state, self.keys), child)
        return managed_host_keys(files) if files else None
