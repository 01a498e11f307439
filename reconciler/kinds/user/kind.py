"""The kind DevServerUser. Its methods answer the loop with the modules beside this one."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from crds import DevServerUser
from crds.quotas import MOST_LIMITS, QuotaStatus
from crds.resources import CHILD_RESOURCES, NAMESPACE, USER
from reconciler.controller.kind import Kind, Lookup, Prepared
from reconciler.controller.watches import MANAGED
from reconciler.kinds.first_digest import first_digest
from reconciler.kinds.user.inputs import rejected_roles, user_inputs
from reconciler.kinds.user.username import namesakes
from reconciler.kube.objects import Key, Object, is_deleting, key_of, labels, owner_of
from reconciler.kube.watch import WatchSpec
from reconciler.status import reasons
from reconciler.status.conditions import APPLIED, Readiness, StatusPatch, not_ready
from reconciler.status.errors import StalledError
from stacks import user
from stacks.declarations import Program
from stacks.metadata import USER_LABEL, Owner
from stacks.user import DevServerUserInputs, namespace_child_of, namespace_of, quota_of

_RBAC = "rbac.authorization.k8s.io/v1"


class UserKind(Kind[DevServerUser, DevServerUserInputs]):
    """DevServerUsers: people with their own namespace, rights and quotas."""

    resource = USER
    model = DevServerUser
    child_resources = tuple(
        CHILD_RESOURCES[kind]
        for kind in (
            (_RBAC, "RoleBinding"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("v1", "ServiceAccount"),
            ("v1", "ResourceQuota"),
            ("v1", "LimitRange"),
        )
    )

    def inputs(self, resource: Object, model: DevServerUser, now: datetime) -> DevServerUserInputs:
        """See inputs.py."""
        return user_inputs(self.cache, self.settings, self.cluster_id, resource, model)

    def program(self, inputs: DevServerUserInputs) -> Program:
        """See stacks/user.py."""
        return user.program(inputs)

    async def prepare(self, inputs: DevServerUserInputs, lookup: Lookup) -> Prepared:
        """The program. It needs no lookup."""
        # Only now, because the namespace may belong to someone else until the run begins.
        return Prepared(self.program(inputs), {"namespace": inputs.namespace})

    def earlier_digest(self, inputs: DevServerUserInputs) -> str | None:
        """See first_digest.py."""
        return first_digest(inputs)

    def rejected_fields(self, inputs: DevServerUserInputs) -> StalledError | None:
        """Roles that the settings do not allow."""
        return rejected_roles(inputs)

    def data_owner(self, model: DevServerUser) -> str:
        """The person who owns the namespace."""
        return model.spec.username

    def retains(self, model: DevServerUser) -> bool:
        """Whether the namespace outlives the DevServerUser."""
        return model.spec.deletion_policy == "Retain"

    def readiness(self, owner: Owner) -> Readiness:
        """Ready, unless the namespace is being deleted. (If any other child is gone, a run creates it again.)"""
        resource = self.cache.resource(Key(owner.kind, owner.namespace, owner.name))
        child = namespace_child_of(resource["spec"]["username"]) if resource is not None else None
        namespace = self.cache.child(child) if child is not None else None
        if namespace is not None and is_deleting(namespace):
            meta = namespace["metadata"]
            message = f"Namespace {meta['name']} is being deleted. It is created again once it is gone."
            return not_ready(reasons.NAMESPACE_TERMINATING, message, "Pending", meta["deletionTimestamp"])
        return APPLIED

    def conditions(
        self, resource: Object, model: DevServerUser | None, ends: datetime | None, now: datetime
    ) -> StatusPatch:
        """The quota's limits and the use of each, as the API server counts it."""
        child = quota_of(namespace_of(resource["spec"]["username"]))
        quota = self.cache.owned(owner_of(resource), child)
        if quota is None:
            return StatusPatch({"quota": None})
        counted = quota.get("status", {})
        names = sorted(counted.get("hard", {}))[:MOST_LIMITS]
        hard, used = (
            {name: counted[part][name] for name in names if name in counted.get(part, {})}
            for part in ("hard", "used")
        )
        return StatusPatch({"quota": QuotaStatus(hard=hard, used=used).manifest() if names else None})

    def watches(self) -> Iterable[WatchSpec]:
        """The watches of everything that decides who has a username."""
        yield WatchSpec(USER, (self._user_changed,))
        yield WatchSpec(NAMESPACE, (self._namespace_changed,), selector=MANAGED)

    def _user_changed(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        """If a DevServerUser appears or is gone, this concerns all that name the same username."""
        if old is not None and new is not None:
            return ()
        return self._namesakes((new or old or {})["spec"]["username"])

    def _namespace_changed(self, old: Object | None, new: Object | None) -> Iterable[Key]:
        """If someone gives a retained namespace to another DevServerUser, this concerns all with its username."""
        if old is None or new is None or self.cache.owner_key(new) == self.cache.owner_key(old):
            return ()
        return self._namesakes(labels(new).get(USER_LABEL, ""))

    def _namesakes(self, username: str) -> Iterator[Key]:
        for namesake in namesakes(self.cache, username):
            yield key_of(namesake)
