"""The kind DevServer. Its methods answer the loop with the modules beside this one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from crds import DevServer
from crds.resources import CHILD_RESOURCES, DEVSERVER
from reconciler.controller.kind import Kind, Lookup, Prepared
from reconciler.kinds.devserver import expiry, home
from reconciler.kinds.devserver.inputs import devserver_inputs
from reconciler.kinds.devserver.pod import restarts
from reconciler.kinds.devserver.pod.readiness import devserver_readiness
from reconciler.kinds.devserver.ssh.address import ssh_address
from reconciler.kinds.devserver.ssh.host_keys import find_host_keys
from reconciler.kinds.devserver.watches import DevServerWatches
from reconciler.kinds.first_digest import first_digest
from reconciler.kube.cache import Cache
from reconciler.kube.client import Client
from reconciler.kube.objects import Object, created_at, owner_of
from reconciler.kube.recorder import Recorder
from reconciler.kube.watch import WatchSpec
from reconciler.settings import Settings
from reconciler.status import reasons
from reconciler.status.conditions import Readiness, StatusPatch
from stacks.declarations import Program
from stacks.devserver import program as devserver
from stacks.devserver.program import SSH_PORT, DevServerChildren, DevServerInputs
from stacks.metadata import Owner


class DevServerKind(Kind[DevServer, DevServerInputs]):
    """DevServers: a pod that users reach by SSH, with or without a home, until it expires."""

    resource = DEVSERVER
    model = DevServer
    child_resources = tuple(
        CHILD_RESOURCES[kind]
        for kind in (("apps/v1", "StatefulSet"), ("v1", "Service"), ("v1", "ConfigMap"), ("v1", "Secret"))
    )

    # A home may be expanded by hand; the inputs take over the new size.
    tolerated_drift = frozenset({("PersistentVolumeClaim", "spec.resources.requests.storage")})

    def __init__(self, cache: Cache, settings: Settings, cluster_id: str) -> None:
        super().__init__(cache, settings, cluster_id)
        self.watched = DevServerWatches(cache)

    def inputs(self, resource: Object, model: DevServer, now: datetime) -> DevServerInputs:
        """See inputs.py."""
        return devserver_inputs(
            self.cache, self.watched, self.settings, self.cluster_id, resource, model, now
        )

    def program(self, inputs: DevServerInputs) -> Program:
        """The program with a placeholder for the host keys."""
        return devserver.program(inputs, devserver.UNKNOWN_HOST_KEYS)

    async def prepare(self, inputs: DevServerInputs, lookup: Lookup) -> Prepared:
        """The program with its host keys."""
        names = DevServerChildren.of(inputs.owner)
        keys = await find_host_keys(lookup, inputs.owner, names.host_keys)
        service = {"service": names.ssh.name, "port": SSH_PORT, "hostKeys": list(keys.public)}
        return Prepared(devserver.program(inputs, keys), {"ssh": service})

    def earlier_digest(self, inputs: DevServerInputs) -> str | None:
        """See first_digest.py."""
        return first_digest(inputs)

    def data_owner(self, model: DevServer) -> str:
        """The person who owns the home."""
        return model.spec.owner

    def retains(self, model: DevServer) -> bool:
        """Whether the home outlives the DevServer."""
        return model.spec.home is None or model.spec.home.on_delete == "Retain"

    def expires_at(self, model: DevServer, now: datetime) -> datetime | None:
        """See expiry.py."""
        settings = self.settings
        return expiry.expires_at(model, settings.default_time_to_live_s, settings.max_time_to_live_s, now)

    def expiry_note(self, model: DevServer) -> str:
        """What happens to the home."""
        return expiry.fate_of_home(model)

    def fields(self, inputs: DevServerInputs) -> Mapping[str, Any]:
        """The expiry, the timeToLive that applies, the flavor in use."""
        return {
            "expiresAt": inputs.expires_at,
            "timeToLive": inputs.time_to_live,
            "flavor": inputs.flavor_name,
        }

    def readiness(self, owner: Owner) -> Readiness:
        """Whether users can log in."""
        workload = DevServerChildren.of(owner).stateful_set
        refusal = self.watched.refusals.get((workload.namespace, workload.name))
        pod = self.watched.pod_of(owner)
        events = self.watched.events.of(pod) if pod is not None else ()
        return devserver_readiness(self.cache.child(workload), pod, refusal, events)

    def conditions(
        self, resource: Object, model: DevServer | None, ends: datetime | None, now: datetime
    ) -> StatusPatch:
        """The SSH address, and conditions about the home, a pending restart and the expiry."""
        owner = owner_of(resource)
        names = DevServerChildren.of(owner)
        service, claim = self.cache.owned(owner, names.ssh), self.cache.owned(owner, names.home)
        fields = {"sshAddress": ssh_address(service, self.watched.pod_of(owner))}
        smaller = home.shortfall_of(resource, claim, self.watched.storage_class_of(claim))
        always = {reasons.HOME_SMALLER: smaller, reasons.RESTART_PENDING: None}
        if model is None:
            return StatusPatch(fields, always)
        created = created_at(resource)
        ttl = expiry.time_to_live(model, self.settings.default_time_to_live_s)
        conditions = {
            **always,
            reasons.RESTART_PENDING: restarts.restart_pending(self._restart(owner, model)),
            reasons.EXPIRING: expiry.warning(created, ends, expiry.fate_of_home(model), now),
            reasons.EXPIRY_LIMITED: expiry.limited(created, ttl, ends),
        }
        return StatusPatch(fields, conditions, until=expiry.next_warning(created, ends, now))

    async def tend(self, resource: Object, model: DevServer, client: Client, recorder: Recorder) -> None:
        """Restart a pod that differs from what the user chose. If a quota has room again, have the pod created."""
        owner = owner_of(resource)
        pod, restart = self.watched.pod_of(owner), self._restart(owner, model)
        if pod is None:
            await restarts.hasten(client, self.watched.refusals, owner)
        elif restart is not None and restart.due:
            await restarts.restart(client, pod)
            await recorder.record(resource, "Normal", reasons.RESTARTED, restart.message)

    def watches(self) -> Iterable[WatchSpec]:
        """See watches.py."""
        return self.watched.specs()

    def _restart(self, owner: Owner, model: DevServer) -> restarts.Restart | None:
        workload = self.cache.child(DevServerChildren.of(owner).stateful_set)
        return restarts.pending_restart(workload, self.watched.pod_of(owner), model.spec.update_policy)
