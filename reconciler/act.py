"""Carrying out what was decided. After every write the process may die: the next pass goes on from there."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crds import DevServer
from reconciler import checkpoint, claims, metrics, reasons
from reconciler.checkpoint import Checkpoint, Recorded
from reconciler.claims import Claim
from reconciler.cluster import JSON_PATCH, Cluster, ClusterError, Object
from reconciler.decide import Destroy, Up
from reconciler.drift import Drift, changed_fields
from reconciler.engine import Engine, Keys, Outcome
from reconciler.errors import ReconcileError, Transient
from reconciler.events import Recorder
from reconciler.expiry import fate_of_home
from reconciler.hostkeys import HostKeyFinder
from reconciler.kinds import KINDS, Kind, Model, Prepared
from reconciler.queue import Key
from reconciler.resources import NAMESPACE, POD, SECRET, STATEFUL_SET, Resource
from reconciler.settings import Settings
from reconciler.state import StackId, StateStore
from reconciler.state_alarms import StateAlarms
from reconciler.world import FINALIZER, World, belongs_to, labels
from stacks.metadata import UID_LABEL, Child, Owner

# When a quota gave way; any change of it wakes the StatefulSet's controller.
ROOM_ANNOTATION = "devserver.io/quota-gave-way"


@dataclass(frozen=True)
class Actor:
    """Everything that changes the cluster, by request or by engine.

    alarms: tells of states that cannot be used.
    learn: takes up the answer to a write of ours, ahead of the watch.
    """

    cluster: Cluster
    engine: Engine
    keys: Keys
    states: StateStore
    world: World
    settings: Settings
    recorder: Recorder
    alarms: StateAlarms
    learn: Callable[[Resource, Object], None]

    async def up(self, id: StackId, model: Model, inputs: Any, action: Up) -> tuple[Outcome, Prepared]:
        """Run the resource's program. An error of the run is in the outcome, any other is raised."""
        kind = KINDS[id.key.kind]
        owner = Owner(id.key.kind, id.key.namespace, id.key.name, id.uid)
        was_applied = model.status.last_update is not None
        is_new = await self._add_finalizer(kind, id) and not was_applied
        stored = self.states.of_new(id) if is_new else await self.states.load(id)
        await self.alarms.note(id, stored.unusable, was_applied)
        look = claims.Looks(self.cluster)
        finder = HostKeyFinder(look, self.engine, self.keys, id.stack, stored.checkpoint)
        prepared = await kind.prepare(inputs, owner, finder)

        recorded = checkpoint.children(stored.checkpoint)
        claimed = await self._claims(look, owner, kind.person(model), recorded | set(prepared.children))
        for child in prepared.children:
            if child.kind == NAMESPACE.kind:
                claims.refuse_terminating(child, await look(child))
            if claimed[child] is Claim.FOREIGN:
                raise claims.conflict(child, await look(child))
        # A recorded name that someone else has by now must leave the state, or the engine would delete it; what
        # is gone must too, or the engine would change it, and fail, instead of making it anew.
        mine = checkpoint.without(stored.checkpoint, lambda child: claimed[child] is not Claim.OURS)
        stored = await self.states.claim(id, stored)
        outcome = await self.engine.up(
            id.stack, prepared.program, mine, self.keys, action.refresh, stored.cut_short
        )
        if outcome.checkpoint is not None:
            after = _worth_keeping(outcome.checkpoint, outcome.error, stored.checkpoint)
            self.learn(SECRET, await self.states.save(id, after, stored, outcome.checkpoint))
        if outcome.error is None:
            planned = {child: claimed[child] for child in prepared.children}
            for child in claims.adopted(planned, recorded):
                metrics.adopted(child.kind)
        return outcome, prepared

    async def destroy(self, action: Destroy, model: Model | None) -> Outcome:
        """Destroy a stack from its state alone, sweep what the state did not know, drop state and finalizer.

        model: the resource being deleted, None for an earlier life of the name.
        """
        id, kind = action.id, KINDS[action.id.key.kind]
        if not action.finish and await self._fresh(kind, id) is not None:
            # The states are listed anew when a replica begins to lead; its other watches may have fallen behind.
            raise Transient(reasons.CLUSTER_ERROR, f"{id.key} exists, but the watch does not show it yet.")
        stored = await self.states.load(id)
        was_applied = model is not None and model.status.last_update is not None
        await self.alarms.note(id, stored.unusable, was_applied)
        mine = await self._deletable(id, stored.checkpoint, keep=model is not None and kind.keeps(model))
        outcome = Outcome(mine, {}, 0.0)
        if stored.resource_version:
            stored = await self.states.claim(id, stored)
        if checkpoint.children(mine):
            outcome = await self.engine.destroy(id.stack, mine, self.keys, stored.cut_short)
        if outcome.error is not None:
            if outcome.checkpoint is not None:
                self.learn(SECRET, await self.states.save(id, outcome.checkpoint, stored))
            return outcome
        await self._sweep(kind, id)
        await self.states.delete(id, stored)
        self.alarms.forget(id)
        if action.finish:
            await self._drop_finalizer(kind, id)
        return outcome

    async def expire(self, id: StackId, now: Callable[[], datetime]) -> None:
        """Delete the resource if a fresh look at it says that its time is up. An extension wins the race."""
        kind = KINDS[id.key.kind]
        fresh = await self.cluster.get(kind.resource, id.key.namespace, id.key.name)
        if fresh is None or fresh["metadata"]["uid"] != id.uid:
            return
        skew_s = self.cluster.clock_offset_s
        if abs(skew_s) > self.settings.max_clock_skew_s:
            raise Transient(
                reasons.CLOCK_SKEWED,
                "The time to live has ended by the operator's clock, but the API server's clock is "
                f"{skew_s:+.0f} s off. Nothing expires until the two clocks agree.",
            )
        model = kind.model.model_validate(fresh)
        ends = kind.expires_at(model, self.settings, now())
        if ends is None or now() < ends:
            self.learn(kind.resource, fresh)
            return
        meta = fresh["metadata"]
        if await self.cluster.delete(
            kind.resource, id.key.namespace, id.key.name, meta["uid"], meta["resourceVersion"]
        ):
            metrics.EXPIRATIONS.inc()
            note = f"The time to live ended at {ends:%Y-%m-%d %H:%M:%S} UTC; the DevServer is being deleted."
            if isinstance(model, DevServer):
                note += f" {fate_of_home(model)}"
            await self.recorder.record(fresh, "Normal", reasons.EXPIRED, note)

    async def hasten_pod(self, owner: Owner) -> None:
        """Have the StatefulSet's controller try again at once to make a pod for which there is room now."""
        name = owner.namespace, owner.name
        refusal = self.world.refusals.get(name)
        if refusal is None or not refusal.relieved:
            return
        del self.world.refusals[name]
        note = {ROOM_ANNOTATION: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        await self.cluster.patch(STATEFUL_SET, *name, {"metadata": {"annotations": note}})

    async def restart(self, pod: Object) -> None:
        """Delete the pod; its StatefulSet makes it anew from the present template."""
        meta = pod["metadata"]
        await self.cluster.delete(POD, meta["namespace"], meta["name"], meta["uid"])

    async def drifts(self, recorded: Mapping[Child, Recorded], owner: Owner) -> tuple[Drift, ...]:
        """What others did to recorded children: deleted them, or changed fields of ours in them."""
        gone = await self._missing(recorded, owner)
        return (*map(Drift, gone), *changed_fields(recorded, self.world, owner))

    async def _missing(self, recorded: Iterable[Child], owner: Owner) -> tuple[Child, ...]:
        """Recorded children that are gone. What the watches do not show is asked for: they may lag."""

        async def is_gone(child: Child) -> bool:
            seen = self.world.child(child)
            if seen is not None and belongs_to(seen, owner, child):
                return False
            obj = await claims.live(self.cluster, child)
            return obj is None or not belongs_to(obj, owner, child)

        ordered = sorted(recorded, key=lambda child: (child.kind, child.name))
        gone = await asyncio.gather(*map(is_gone, ordered))
        return tuple(child for child, is_missing in zip(ordered, gone, strict=True) if is_missing)

    async def _claims(
        self, look: claims.Looks, owner: Owner, person: str, children: frozenset[Child]
    ) -> dict[Child, Claim]:
        async def claim(child: Child) -> Claim:
            seen = self.world.child(child)
            if seen is not None and claims.judge(seen, owner, child, person, self.world) is Claim.OURS:
                return Claim.OURS
            return claims.judge(await look(child), owner, child, person, self.world)

        ordered = list(children)
        return dict(zip(ordered, await asyncio.gather(*map(claim, ordered)), strict=True))

    async def _deletable(self, id: StackId, state: Checkpoint, keep: bool) -> Checkpoint:
        """The state without what must outlive the stack. keep: the spec as it is now retains what can be."""
        children = list(checkpoint.children(state))
        objects = await asyncio.gather(*(claims.live(self.cluster, child) for child in children))
        owner = Owner(id.key.kind, id.key.namespace, id.key.name, id.uid)
        spared = {
            child
            for child, obj in zip(children, objects, strict=True)
            if (child.retained and keep) or (obj is not None and not belongs_to(obj, owner, child))
        }
        return checkpoint.without(state, lambda child: child in spared)

    async def _sweep(self, kind: Kind, id: StackId) -> None:
        """Delete what carries the stack's uid and was never recorded (a run was killed before it could be)."""
        for resource in kind.child_resources:
            found, _ = await self.cluster.list_all(resource, id.key.namespace, f"{UID_LABEL}={id.uid}")
            for obj in found:
                meta = obj["metadata"]
                if labels(obj).get(UID_LABEL) != id.uid or meta.get("deletionTimestamp"):
                    continue
                if await self.cluster.delete(resource, meta["namespace"], meta["name"], meta["uid"]):
                    metrics.orphan_swept(resource.kind)

    async def _add_finalizer(self, kind: Kind, id: StackId) -> bool:
        """Have our finalizer on the resource; whether it was not there before."""

        def added(found: Object | None) -> list[str]:
            if found is None or "deletionTimestamp" in found["metadata"]:
                raise Transient(reasons.CLUSTER_ERROR, f"{id.key} was deleted meanwhile.")
            present: list[str] = found["metadata"].get("finalizers", [])
            return present if FINALIZER in present else [*present, FINALIZER]

        return await self._change_finalizers(kind, id, added)

    async def _drop_finalizer(self, kind: Kind, id: StackId) -> None:
        def dropped(found: Object | None) -> list[str]:
            present = found["metadata"].get("finalizers", []) if found is not None else []
            return [name for name in present if name != FINALIZER]

        await self._change_finalizers(kind, id, dropped)

    async def _change_finalizers(
        self, kind: Kind, id: StackId, changed: Callable[[Object | None], list[str]]
    ) -> bool:
        """Set the finalizers that `changed` gives for the resource; whether they are others than before.

        What the watch shows will do: a deletion that it has yet to tell of finds the finalizer in its way, and a
        change of what has changed meanwhile is refused; only then a fresh look is taken.
        """

        async def change(found: Object | None) -> bool:
            finalizers = changed(found)
            if found is None or finalizers == found["metadata"].get("finalizers", []):
                return False
            await self._set_finalizers(kind, id.key, found, finalizers)
            return True

        try:
            return await change(self._seen(id))
        except ClusterError as error:
            if error.status not in (404, 409):
                raise
        return await change(await self._fresh(kind, id))

    def _seen(self, id: StackId) -> Object | None:
        """The resource as the watch shows it, if it is still the same one."""
        seen = self.world.resource(id.key)
        return seen if seen is not None and seen["metadata"]["uid"] == id.uid else None

    async def _fresh(self, kind: Kind, id: StackId) -> Object | None:
        """The resource as it is now, if it is still the same one."""
        fresh = await self.cluster.get(kind.resource, id.key.namespace, id.key.name)
        return fresh if fresh is not None and fresh["metadata"]["uid"] == id.uid else None

    async def _set_finalizers(self, kind: Kind, key: Key, fresh: Object, finalizers: list[str]) -> None:
        version = fresh["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version, "finalizers": finalizers}}
        self.learn(kind.resource, await self.cluster.patch(kind.resource, key.namespace, key.name, body))

    async def write_status(self, kind: Kind, id: StackId, status: dict[str, Any]) -> None:
        """Replace the resource's status, if it is still the same resource."""
        body: list[Object] = [
            {"op": "test", "path": "/metadata/uid", "value": id.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        answer = await self.cluster.patch(
            kind.resource, id.key.namespace, id.key.name, body, "status", content_type=JSON_PATCH
        )
        self.learn(kind.resource, answer)


def _worth_keeping(after: Checkpoint, error: ReconcileError | None, before: Checkpoint) -> Checkpoint:
    """The state to store after a run.

    A failed run may have found a Secret gone and not made it anew. Its content, host keys, is in the earlier state
    alone then; together with adoption that state is as good.
    """
    lost = checkpoint.children(before) - checkpoint.children(after)
    if error is not None and any(child.kind == SECRET.kind for child in lost):
        return before
    return after
