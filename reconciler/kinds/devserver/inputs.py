"""Makes the inputs of a DevServer's program from the DevServer and the cache. Pure.

Raises WaitingError or StalledError if there is no program to run.
"""

from datetime import datetime

from crds import DevServer
from crds.resources import PVC
from crds.times import format_time
from reconciler.kinds.devserver import expiry
from reconciler.kinds.devserver.home import size_to_ask_for
from reconciler.kinds.devserver.ssh.keys import authorized_key
from reconciler.kinds.devserver.watches import DevServerWatches
from reconciler.kinds.flavor.lookup import find_flavor
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Object, annotations, created_at, owner_of
from reconciler.settings import Settings
from reconciler.status import reasons
from reconciler.status.errors import StalledError
from stacks.devserver.program import DevServerChildren, DevServerInputs
from stacks.metadata import RETAINED_BY_ANNOTATION, Owner


def devserver_inputs(
    cache: Cache,
    watched: DevServerWatches,
    settings: Settings,
    cluster_id: str,
    resource: Object,
    devserver: DevServer,
    now: datetime,
) -> DevServerInputs:
    """Inputs of a DevServer's program. resource: the watched object. devserver: the same, parsed."""
    owner = owner_of(resource)
    flavor_name, flavor = find_flavor(cache, devserver.spec.flavor, devserver.status.flavor)
    ssh = devserver.spec.ssh
    extra = [
        authorized_key(line, f"spec.ssh.additionalPublicKeys[{index}]")
        for index, line in enumerate(ssh.additional_public_keys)
    ]
    _refuse_foreign_homes(cache, owner, devserver)
    _refuse_to_move_the_home(cache, owner, devserver)
    ends = expiry.expires_at(devserver, settings.default_time_to_live_s, settings.max_time_to_live_s, now)
    return DevServerInputs(
        owner=owner,
        spec=devserver.spec,
        flavor_name=flavor_name,
        flavor=flavor,
        authorized_keys=tuple(dict.fromkeys([authorized_key(ssh.public_key, "spec.ssh.publicKey"), *extra])),
        time_to_live=expiry.time_to_live(devserver, settings.default_time_to_live_s),
        expires_at=format_time(ends) if ends else None,
        warn_minutes=expiry.warning_minutes(created_at(resource), ends) if ends else (),
        home_size=_home_size(cache, watched, owner, devserver),
        tools_image=settings.tools_image,
        ssh_service_type=settings.ssh_service_type,
        cluster_id=cluster_id,
    )


def _refuse_foreign_homes(cache: Cache, owner: Owner, devserver: DevServer) -> None:
    claims = cache.children[(PVC.api_version, PVC.kind)]
    for index, volume in enumerate(devserver.spec.volumes):
        claim = claims.get((owner.namespace, volume.claim_name))
        if claim is not None and RETAINED_BY_ANNOTATION in annotations(claim):
            raise StalledError(
                reasons.FOREIGN_HOME,
                f"spec.volumes[{index}].claimName: {volume.claim_name} is the home of a DevServer and cannot be "
                "mounted as a volume.",
            )


def _refuse_to_move_the_home(cache: Cache, owner: Owner, devserver: DevServer) -> None:
    """Raise StalledError if the spec names another storage class than the home has.

    The engine would replace the home and lose its data. (The API server compares the spec only with the last spec.)
    """
    home, claim = devserver.spec.home, cache.owned(owner, DevServerChildren.of(owner).home)
    if home is None or home.storage_class_name is None or claim is None:
        return
    live = claim["spec"].get("storageClassName")
    if live not in (None, home.storage_class_name):
        raise StalledError(
            reasons.HOME_CANNOT_MOVE,
            f"spec.home.storageClassName: {claim['metadata']['name']} has the class {live!r} and cannot be moved to "
            f"{home.storage_class_name!r}. Set it back to {live!r}, or save the data and delete the claim.",
        )


def _home_size(cache: Cache, watched: DevServerWatches, owner: Owner, devserver: DevServer) -> str | None:
    home = devserver.spec.home
    if home is None:
        return None
    claim = cache.child(DevServerChildren.of(owner).home)
    return size_to_ask_for(home.size, claim, watched.storage_class_of(claim))
