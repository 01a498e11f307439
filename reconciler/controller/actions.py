"""Carries out a decision. The process may die after any write; the next pass continues from there."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from crds.resources import NAMESPACE, SECRET, Resource
from reconciler.controller import adoption, metrics
from reconciler.controller.adoption import LiveObjects, Ownership
from reconciler.controller.decide import Destroy, Expire, Up
from reconciler.controller.drift import Drift, changed_fields
from reconciler.controller.finalizers import Finalizers
from reconciler.controller.kind import Kind, Lookup, Prepared
from reconciler.engine.engine import Engine
from reconciler.engine.outcome import Outcome
from reconciler.kube.cache import Cache
from reconciler.kube.client import Client
from reconciler.kube.objects import Object, belongs_to, labels
from reconciler.kube.recorder import Recorder
from reconciler.settings import Settings
from reconciler.state import checkpoint
from reconciler.state.alerts import StateAlerts
from reconciler.state.checkpoint import Checkpoint, Recorded
from reconciler.state.encryption_keys import Keys
from reconciler.state.store import StackId, StateStore, StoredState
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError, TransientError
from stacks.metadata import UID_LABEL, Child, Owner
from stacks.registration import register


@dataclass(frozen=True)
class Actions:
    """Everything that changes the cluster, by request or by engine.

    alerts: reports states that cannot be used.
    apply_write, apply_state: put the API server's answer to a write of a custom resource or a state into the cache,
        ahead of the watch.
    """

    client: Client
    engine: Engine
    keys: Keys
    states: StateStore
    cache: Cache
    kinds: Mapping[str, Kind[Any, Any]]
    settings: Settings
    recorder: Recorder
    alerts: StateAlerts
    apply_write: Callable[[Resource, Object], None]
    apply_state: Callable[[Object], None]

    async def up(self, action: Up) -> tuple[Outcome, Prepared]:
        """Run the goal's program. The outcome holds an error of the run; any other error is raised."""
        id, goal = action.id, action.goal
        kind, owner = self.kinds[id.key.kind], _owner(id)
        was_applied = goal.model.status.last_update is not None
        is_new = await self._finalizers.add(id) and not was_applied
        stored = self.states.of_new(id) if is_new else await self.states.load(id)
        await self.alerts.note(id, stored.unusable, was_applied)
        live = LiveObjects(self.client)
        prepared = await kind.prepare(goal.inputs, Lookup(live, self._recorded_secrets(id, stored)))

        recorded, children = checkpoint.children(stored.checkpoint), prepared.program.children
        owned = await self._ownership(live, owner, kind.data_owner(goal.model), recorded | set(children))
        for child in children:
            if child.kind == NAMESPACE.kind:
                adoption.refuse_terminating(child, await live(child))
            if owned[child] is Ownership.FOREIGN:
                raise adoption.conflict(child, await live(child), self.cache)
        # Someone else may own a recorded name by now. It must leave the state, or the engine would delete that object.
        # A child that is gone must leave it too, or the engine would try to update it and fail. Now it is created.
        given = checkpoint.without(stored.checkpoint, lambda child: owned[child] is not Ownership.OURS)
        stored = await self.states.claim(id, stored)
        outcome = await self.engine.up(
            id.stack, partial(register, prepared.program), given, self.keys, action.refresh, stored.cut_short
        )
        if outcome.checkpoint is not None:
            kept = _worth_keeping(outcome.checkpoint, outcome.error, stored.checkpoint)
            self.apply_state(await self.states.save(id, kept, stored, outcome.checkpoint))
        if outcome.error is None:
            planned = {child: owned[child] for child in children}
            for child in adoption.adopted(planned, recorded):
                metrics.adopted(child.kind)
        return outcome, prepared

    async def destroy(self, action: Destroy) -> Outcome:
        """Destroy a stack from its state alone. Then sweep objects that the state lacks, drop state and finalizer."""
        id = action.id
        if not action.finish and await self._finalizers.fresh(id) is not None:
            # A new leader lists the states freshly. Its other watches may lag behind them.
            raise TransientError(
                reasons.CLUSTER_ERROR, f"{id.key} exists, but the watch does not show it yet."
            )
        stored = await self.states.load(id)
        await self.alerts.note(id, stored.unusable, action.was_applied)
        given = await self._deletable(id, stored.checkpoint, action.retain)
        outcome = Outcome(given, {}, 0.0)
        if stored.resource_version:
            stored = await self.states.claim(id, stored)
        if checkpoint.children(given):
            outcome = await self.engine.destroy(id.stack, given, self.keys, stored.cut_short)
        if outcome.error is not None:
            if outcome.checkpoint is not None:
                self.apply_state(await self.states.save(id, outcome.checkpoint, stored))
            return outcome
        await self._sweep(id)
        await self.states.delete(id, stored)
        self.alerts.forget(id)
        if action.finish:
            await self._finalizers.drop(id)
        return outcome

    async def expire(self, action: Expire, now: Callable[[], datetime]) -> None:
        """Delete the resource if a fresh read confirms that it has expired. An extension made meanwhile wins."""
        id, kind = action.id, self.kinds[action.id.key.kind]
        fresh = await self._finalizers.fresh(id)
        if fresh is None:
            return
        skew_s = self.client.clock_offset_s
        if abs(skew_s) > self.settings.max_clock_skew_s:
            raise TransientError(
                reasons.CLOCK_SKEWED,
                "The time to live has ended by the operator's clock, but the API server's clock is "
                f"{skew_s:+.0f} s off. Nothing expires until the two clocks agree.",
            )
        model = kind.model.model_validate(fresh)
        ends = kind.expires_at(model, now())
        if ends is None or now() < ends:
            self.apply_write(kind.resource, fresh)
            return
        uid, version = fresh["metadata"]["uid"], fresh["metadata"]["resourceVersion"]
        if await self.client.delete(kind.resource, id.key.namespace, id.key.name, uid, version):
            metrics.EXPIRATIONS.inc()
            note = (
                f"The time to live ended at {ends:%Y-%m-%d %H:%M:%S} UTC; the {id.key.kind} is being deleted."
            )
            note = " ".join(filter(None, (note, kind.expiry_note(model))))
            await self.recorder.record(fresh, "Normal", reasons.EXPIRED, note)

    async def drifts(self, recorded: Mapping[Child, Recorded], owner: Owner) -> tuple[Drift, ...]:
        """The drift of recorded children: others deleted them, or changed fields of ours in them."""
        gone = await self._missing(recorded, owner)
        tolerated = self.kinds[owner.kind].tolerated_drift
        return (*map(Drift, gone), *changed_fields(recorded, self.cache, owner, tolerated))

    @property
    def _finalizers(self) -> Finalizers:
        return Finalizers(self.client, self.cache, self.apply_write)

    def _recorded_secrets(self, id: StackId, stored: StoredState) -> Callable[[Child], Any]:
        """A function that reads a child's Secret data from the stored checkpoint."""

        async def recorded_secret(child: Child) -> Mapping[str, str] | None:
            if child not in checkpoint.children(stored.checkpoint):
                return None
            revealed = await self.engine.reveal(id.stack, stored.checkpoint, self.keys)
            return checkpoint.secret_data(revealed, child)

        return recorded_secret

    async def _missing(self, recorded: Iterable[Child], owner: Owner) -> tuple[Child, ...]:
        """Recorded children that are gone. If the cache lacks one, the API server is asked, because watches may lag."""

        async def is_gone(child: Child) -> bool:
            if self.cache.owned(owner, child) is not None:
                return False
            obj = await adoption.live(self.client, child)
            return obj is None or not belongs_to(obj, owner, child)

        ordered = sorted(recorded, key=lambda child: (child.kind, child.name))
        gone = await asyncio.gather(*map(is_gone, ordered))
        return tuple(child for child, is_missing in zip(ordered, gone, strict=True) if is_missing)

    async def _ownership(
        self, live: LiveObjects, owner: Owner, data_owner: str, children: frozenset[Child]
    ) -> dict[Child, Ownership]:
        def ownership(child: Child, obj: Object | None) -> Ownership:
            return adoption.ownership_of(obj, owner, child, data_owner, self.cache)

        async def of(child: Child) -> Ownership:
            if ownership(child, self.cache.child(child)) is Ownership.OURS:
                return Ownership.OURS
            return ownership(child, await live(child))

        ordered = list(children)
        return dict(zip(ordered, await asyncio.gather(*map(of, ordered)), strict=True))

    async def _deletable(self, id: StackId, stored: Checkpoint, retain: bool) -> Checkpoint:
        """The checkpoint without the children that must outlive the stack. retain: also without the retained ones."""
        children = list(checkpoint.children(stored))
        objects = await asyncio.gather(*(adoption.live(self.client, child) for child in children))
        owner = _owner(id)
        spared = {
            child
            for child, obj in zip(children, objects, strict=True)
            if (child.retained and retain) or (obj is not None and not belongs_to(obj, owner, child))
        }
        return checkpoint.without(stored, lambda child: child in spared)

    async def _sweep(self, id: StackId) -> None:
        """Delete objects with the stack's uid that no state recorded, because the run was killed first."""
        for resource in self.kinds[id.key.kind].child_resources:
            found, _ = await self.client.list_all(resource, id.key.namespace, f"{UID_LABEL}={id.uid}")
            for obj in found:
                meta = obj["metadata"]
                if labels(obj).get(UID_LABEL) != id.uid or meta.get("deletionTimestamp"):
                    continue
                if await self.client.delete(resource, meta["namespace"], meta["name"], meta["uid"]):
                    metrics.orphan_swept(resource.kind)


def _owner(id: StackId) -> Owner:
    return Owner(*id.key, id.uid)


def _worth_keeping(after: Checkpoint, error: ReconcileError | None, before: Checkpoint) -> Checkpoint:
    """The checkpoint to store after a run.

    A failed run may have noticed that a Secret is gone without creating it again. Then only the earlier checkpoint
    holds its content, the host keys. Adoption makes up for what that checkpoint lacks.
    """
    lost = checkpoint.children(before) - checkpoint.children(after)
    if error is not None and any(child.kind == SECRET.kind for child in lost):
        return before
    return after
