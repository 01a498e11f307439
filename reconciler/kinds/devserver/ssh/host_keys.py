"""Finds a DevServer's host keys: in the live Secret, else in the stack's checkpoint, else it generates new ones.

New keys are generated only if an uncached read finds no Secret and the checkpoint holds none. So clients never see
keys change while the DevServer lives.
"""

from reconciler.controller.kind import Lookup
from reconciler.kinds.devserver.ssh.keys import (
    HOST_KEY_FILES,
    generate_host_keys,
    host_keys_of_user,
    managed_host_keys,
    secret_files,
)
from reconciler.kube.objects import Object, belongs_to, is_managed
from reconciler.status.errors import StalledError
from stacks.devserver.program import HostKeys
from stacks.metadata import Child, Owner


class SpoiledHostKeysError(StalledError):
    """Someone damaged our Secret so that its keys are unusable."""


async def find_host_keys(lookup: Lookup, owner: Owner, child: Child) -> HostKeys:
    """The host keys to use. Raises StalledError if neither the live Secret nor the checkpoint has a usable key.

    child: the Secret that holds them.
    """

    async def recorded() -> HostKeys | None:
        files = await lookup.recorded_secret(child)
        return managed_host_keys(dict(files)) if files else None

    try:
        live = _live_host_keys(await lookup.live(child), owner, child)
    except SpoiledHostKeysError:
        known = await recorded()
        if known is None:
            raise
        return known
    if live is not None and live.private is not None and not live.private.keys() >= set(HOST_KEY_FILES):
        # Someone removed one.
        return await recorded() or live
    return live or await recorded() or generate_host_keys()


def _live_host_keys(live: Object | None, owner: Owner, child: Child) -> HostKeys | None:
    """The host keys from the live Secret; None if there is no Secret. Raises StalledError if it has no usable key."""
    if live is None:
        return None
    if not is_managed(live):
        return host_keys_of_user(live)
    if belongs_to(live, owner, child):
        try:
            return managed_host_keys(secret_files(live))
        except StalledError as error:
            raise SpoiledHostKeysError(error.reason, error.message) from error
    # An earlier DevServer of this name left the Secret behind. Its keys must not be used again.
    return generate_host_keys()
