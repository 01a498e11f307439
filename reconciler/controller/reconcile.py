"""One pass over one resource: observe, decide, act, report."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from reconciler.controller import metrics
from reconciler.controller.actions import Actions
from reconciler.controller.decide import (
    Action,
    Destroy,
    Expire,
    Nothing,
    Observed,
    Up,
    Wait,
    decide,
    is_urgent,
    takes_a_run,
)
from reconciler.controller.desired import Desired, Goal, desired_of
from reconciler.controller.digest import renewed
from reconciler.controller.drift import Drift, Repairs
from reconciler.controller.finalizers import FINALIZER
from reconciler.controller.report import Result, is_repair, report
from reconciler.controller.retries import Retries, Unblocked
from reconciler.controller.workqueue import Lane, WorkQueue
from reconciler.kube.client import ApiError
from reconciler.kube.objects import Key, is_deleting, owner_of
from reconciler.state.index import StateIndex
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError, TransientError

_log = structlog.get_logger()
# Timers run for at most this time, because someone may set the wall clock meanwhile.
_LONGEST_TIMER_S = 3600.0


@dataclass
class Reconciler:
    """Works on keys, one pass at a time for each. states: as the watch knows them. now: the wall clock, in UTC."""

    actions: Actions
    queue: WorkQueue
    states: StateIndex
    now: Callable[[], datetime]
    _repairs: Repairs = field(default_factory=Repairs)

    def __post_init__(self) -> None:
        self._retries = Retries(self.queue)

    async def work(self, lane: Lane) -> None:
        """Take keys from a lane of the queue until cancelled."""
        while True:
            await self.work_on(await self.queue.get(lane), lane)

    async def work_on(self, key: Key, lane: Lane) -> None:
        """Make one pass over a key that was taken from the lane, and handle its errors."""
        # Every log line of the pass carries these values, also lines of the engine's threads.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(resource=str(key), reconcile_id=secrets.token_hex(6))
        try:
            with metrics.reconciling(key.kind) as this:
                this.result = await self._pass(key, lane)
        except ApiError as error:
            # The status could not be written. The next pass writes it, unless the resource is gone.
            if error.status != 404:
                delay_s = self.queue.retry(key)
                _log.warning("status not written", error=str(error), retry_in_s=round(delay_s, 1))
        except Exception:
            _log.exception("pass failed", retry_in_s=round(self.queue.retry(key), 1))
        finally:
            self.queue.done(key)

    def retry_now(self, is_unblocked: Unblocked) -> None:
        """Enqueue the resources whose failure has lost its cause; they need not wait for their next try."""
        self._retries.unblock(is_unblocked)

    def cluster_returned(self) -> None:
        """The API server answers again: retry now whatever failed while it did not."""
        self.retry_now(lambda key, error: error.reason == reasons.CLUSTER_ERROR)
        self.queue.hurry()

    async def _pass(self, key: Key, lane: Lane) -> metrics.ReconcileResult:
        desired = self._desired(key)
        observed = await self._observe(key, desired)
        action = decide(desired.goal if desired else None, observed, self.now())
        if lane is Lane.LOOK and takes_a_run(action):
            # The pass in the RUN lane decides again. So a burst of edits causes one run, of the last spec.
            self.queue.add(key, Lane.RUN, urgent=is_urgent(action, observed))
            return "requeue"
        result = await self._carry_out(action)
        self._retries.note(key, action, result.error)
        if is_repair(action, result):
            self._repairs.note(key, observed.drifts, self.now())
        is_leaving = isinstance(action, (Destroy, Expire)) and result.error is None
        if desired is None:
            self._repairs.forget(key)
        elif not is_leaving:
            changes_at = await report(self.actions, desired, observed, action, result, self.now())
            for time in (observed.expires_at, observed.contested_until, changes_at):
                self._set_timer(key, time)
        return _result(action, observed, result)

    def _desired(self, key: Key) -> Desired | None:
        """What the resource of the key asks for; None if there is no such resource."""
        resource = self.actions.cache.resource(key)
        if resource is None:
            return None
        structlog.contextvars.bind_contextvars(generation=resource["metadata"].get("generation"))
        return desired_of(self.actions.kinds[key.kind], resource, self.now())

    async def _observe(self, key: Key, desired: Desired | None) -> Observed:
        states = dict(self.states.of(key))
        failure = self._retries.failure(key)
        if desired is None:
            return Observed(None, dead_states=tuple(states.values()), failure=failure)
        resource, model, kind = desired.resource, desired.model, desired.kind
        meta, status = resource["metadata"], resource.get("status", {})
        state = states.pop(desired.id.uid, None)
        drifts: tuple[Drift, ...] = ()
        if state is not None and state.children is not None and not is_deleting(resource):
            drifts = await self.actions.drifts(state.recorded, owner_of(resource))
        observed = Observed(
            id=desired.id,
            deleting=is_deleting(resource),
            has_finalizer=FINALIZER in meta.get("finalizers", []),
            edited=meta.get("generation") != status.get("observedGeneration"),
            applied_digest=_applied_digest(desired),
            state=state,
            dead_states=tuple(states.values()),
            drifts=drifts,
            contested_until=self._repairs.contested_until(key, drifts, self.now()),
            failure=failure,
        )
        if isinstance(model, ReconcileError):
            return observed
        return replace(
            observed,
            retains=kind.retains(model),
            was_applied=model.status.last_update is not None,
            expires_at=kind.expires_at(model, self.now()),
            drift_policy=model.spec.drift_policy,
        )

    async def _carry_out(self, action: Action) -> Result:
        """Act. Turns every failure into an error that says who must act."""
        try:
            return await self._act(action)
        except ReconcileError as error:
            return Result(error)
        except ApiError as error:
            return Result(
                TransientError(reasons.CLUSTER_ERROR, f"The API server refused or did not answer: {error}")
            )
        except Exception as error:
            _log.exception("unexpected error")
            return Result(TransientError(reasons.INTERNAL_ERROR, f"{type(error).__name__}: {error}"))

    async def _act(self, action: Action) -> Result:
        match action:
            case Up():
                structlog.contextvars.bind_contextvars(pulumi_stack=action.id.stack)
                _log.info("run starts", why=action.why)
                outcome, prepared = await self.actions.up(action)
                _log.info("run ended", changes=outcome.changes, seconds=round(outcome.duration_s, 3))
                return Result(outcome.error, outcome, dict(prepared.fields))
            case Destroy():
                structlog.contextvars.bind_contextvars(pulumi_stack=action.id.stack)
                _log.info("destroy starts")
                outcome = await self.actions.destroy(action)
                _log.info("destroy ended", changes=outcome.changes, seconds=round(outcome.duration_s, 3))
                return Result(outcome.error, outcome)
            case Expire():
                await self.actions.expire(action, self.now)
                return Result()
            case Wait(error):
                return Result(error)
            case Nothing():
                return Result()

    def _set_timer(self, key: Key, when: datetime | None) -> None:
        if when is not None:
            left_s = (when - self.now()).total_seconds()
            self.queue.add_after(key, min(max(left_s, 0.05), _LONGEST_TIMER_S))


def _applied_digest(desired: Desired) -> str | None:
    """Digest of what the last successful run declared, converted to the present rule if that needs no run."""
    recorded: str | None = desired.resource.get("status", {}).get("inputsDigest")
    goal = desired.goal
    if not isinstance(goal, Goal):
        return recorded
    return renewed(recorded, goal.digest, lambda: desired.kind.earlier_digest(goal.inputs))


def _result(action: Action, observed: Observed, result: Result) -> metrics.ReconcileResult:
    """How the pass ended, for the metrics. `requeue_after` means that a timer brings the next pass."""
    match action:
        case Wait():
            return "requeue_after" if observed.failure or observed.expires_at else "success"
        case _ if result.error is not None:
            return "error"
        case Up() | Nothing() if observed.expires_at:
            return "requeue_after"
    return "success"
