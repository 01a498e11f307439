"""One pass over one resource: observe, gather, decide, act, tell."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from reconciler import expiry, metrics, reasons
from reconciler.act import Actor
from reconciler.cluster import ClusterError
from reconciler.decide import (
    DELETION,
    Action,
    Destroy,
    Expire,
    Failure,
    Nothing,
    Observed,
    Up,
    Wait,
    decide,
    is_urgent,
    takes_a_run,
)
from reconciler.drift import Drift, Repairs
from reconciler.errors import ReconcileError, Transient
from reconciler.gather import owner_of
from reconciler.queue import Key, Lane, WorkQueue
from reconciler.subject import Done, Subject, subject_of
from reconciler.tell import is_repair, tell
from reconciler.world import FINALIZER

_log = structlog.get_logger()
# The wall clock may be set meanwhile, so no timer is trusted for longer.
_LONGEST_TIMER_S = 3600.0


@dataclass(frozen=True)
class _Failed:
    """A try that failed. retry_at_s: by the queue's clock, which nobody can set."""

    digest: str
    error: ReconcileError
    retry_at_s: float


@dataclass
class Reconciler:
    """Works on keys, one pass at a time for each. now: the wall clock, in UTC."""

    actor: Actor
    queue: WorkQueue
    cluster_id: str
    now: Callable[[], datetime]
    _failures: dict[Key, _Failed] = field(default_factory=dict)
    _repairs: Repairs = field(default_factory=Repairs)

    async def work(self, lane: Lane) -> None:
        """Take keys from a lane of the queue until cancelled."""
        while True:
            key = await self.queue.get(lane)
            # Every line of the pass says so, those of the engine's threads too.
            structlog.contextvars.clear_contextvars()
            structlog.contextvars.bind_contextvars(resource=str(key), reconcile_id=secrets.token_hex(6))
            try:
                with metrics.reconciling(key.kind) as this:
                    this.result = await self._pass(key, lane)
            except ClusterError as error:
                # Of the status: it is written anew by the next pass, unless the resource is gone.
                if error.status != 404:
                    delay_s = self.queue.retry(key)
                    _log.warning("status not written", error=str(error), retry_in_s=round(delay_s, 1))
            except Exception:
                _log.exception("pass failed", retry_in_s=round(self.queue.retry(key), 1))
            finally:
                self.queue.done(key)

    def retry_now(self, is_relieved: Callable[[Key, ReconcileError], bool]) -> None:
        """Something gave way: resources whose failure it relieves need not wait for their next try."""
        for key, failure in self._failures.items():
            if is_relieved(key, failure.error):
                self._failures[key] = replace(failure, retry_at_s=self.queue.clock())
                self.queue.forget(key)
                self.queue.add(key)

    def cluster_returned(self) -> None:
        """The API server answers again: whatever failed in its absence is tried now."""
        self.retry_now(lambda key, error: error.reason == reasons.CLUSTER_ERROR)
        self.queue.hurry()

    async def _pass(self, key: Key, lane: Lane) -> metrics.ReconcileResult:
        subject = subject_of(self.actor.world, self.actor.settings, self.cluster_id, key, self.now())
        if subject is not None:
            generation = subject.resource["metadata"].get("generation")
            structlog.contextvars.bind_contextvars(generation=generation)
        observed = await self._observe(key, subject)
        action = decide(subject.digest if subject else "", observed, self.now())
        if lane is Lane.LOOK and takes_a_run(action):
            # Its turn for a run decides anew, so that a burst of edits is one run, of the last spec.
            self.queue.add(key, Lane.RUN, urgent=is_urgent(action, observed))
            return "requeue"
        done = await self._carry_out(action, subject)
        self._remember(key, subject, action, done.error)
        if is_repair(action, done):
            self._repairs.note(key, observed.drifts, self.now())
        is_leaving = isinstance(action, (Destroy, Expire)) and done.error is None
        if subject is not None and not is_leaving:
            await tell(self.actor, subject, observed, action, done, self.now())
            self._set_timer(key, observed.expires_at)
            created = expiry.created_at(subject.resource)
            self._set_timer(key, expiry.next_warning(created, observed.expires_at, self.now()))
            self._set_timer(key, observed.contested_until)
        elif subject is None:
            self._repairs.forget(key)
        return _result(action, observed, done)

    async def _observe(self, key: Key, subject: Subject | None) -> Observed:
        states = dict(self.actor.world.states.get(key, {}))
        failure = self._failure(key)
        if subject is None:
            return Observed(None, dead_states=tuple(states.values()), failure=failure)
        meta, status = subject.resource["metadata"], subject.resource.get("status", {})
        state = states.pop(subject.id.uid, None)
        drifts: tuple[Drift, ...] = ()
        if state is not None and state.children is not None and "deletionTimestamp" not in meta:
            drifts = await self.actor.drifts(state.recorded, owner_of(key, subject.resource))
        model = subject.model
        return Observed(
            id=subject.id,
            deleting="deletionTimestamp" in meta,
            has_finalizer=FINALIZER in meta.get("finalizers", []),
            expires_at=None
            if isinstance(model, ReconcileError)
            else subject.kind.expires_at(model, self.actor.settings, self.now()),
            edited=meta.get("generation") != status.get("observedGeneration"),
            applied_digest=status.get("inputsDigest"),
            state=state,
            dead_states=tuple(states.values()),
            drifts=drifts,
            drift_policy="Repair" if isinstance(model, ReconcileError) else model.spec.drift_policy,
            contested_until=self._repairs.contested_until(key, drifts, self.now()),
            failure=failure,
        )

    async def _carry_out(self, action: Action, subject: Subject | None) -> Done:
        """Act; whatever goes wrong becomes an error that says who must act."""
        try:
            return await self._act(action, subject)
        except ReconcileError as error:
            return Done(error)
        except ClusterError as error:
            return Done(
                Transient(reasons.CLUSTER_ERROR, f"The API server refused or did not answer: {error}")
            )
        except Exception as error:
            _log.exception("unexpected error")
            return Done(Transient(reasons.INTERNAL_ERROR, f"{type(error).__name__}: {error}"))

    async def _act(self, action: Action, subject: Subject | None) -> Done:
        match action:
            case Up():
                assert subject is not None
                assert not isinstance(subject.model, ReconcileError)
                structlog.contextvars.bind_contextvars(pulumi_stack=subject.id.stack)
                _log.info("run starts", why=action.why)
                outcome, prepared = await self.actor.up(subject.id, subject.model, subject.inputs, action)
                _log.info("run ended", changes=outcome.changes, seconds=round(outcome.duration_s, 3))
                return Done(outcome.error, outcome, prepared.facts)
            case Destroy():
                model = subject.model if subject and subject.id == action.id else None
                structlog.contextvars.bind_contextvars(pulumi_stack=action.id.stack)
                _log.info("destroy starts")
                outcome = await self.actor.destroy(
                    action, None if isinstance(model, ReconcileError) else model
                )
                _log.info("destroy ended", changes=outcome.changes, seconds=round(outcome.duration_s, 3))
                return Done(outcome.error, outcome)
            case Expire():
                assert subject is not None
                await self.actor.expire(subject.id, self.now)
                return Done()
            case Wait(error):
                return Done(error)
            case Nothing():
                return Done()

    def _remember(
        self, key: Key, subject: Subject | None, action: Action, error: ReconcileError | None
    ) -> None:
        """Keep a failure of this try and plan the next one, or forget earlier failures."""
        if isinstance(action, Wait):
            failure = self._failures.get(key)
            if failure is not None and failure.error is action.error:
                # Whatever woke the resource before its time took the retry's place in the queue.
                self.queue.add_after(key, max(0.0, failure.retry_at_s - self.queue.clock()))
            return
        if error is None:
            self._failures.pop(key, None)
            self.queue.forget(key)
            return
        delay_s = self.queue.retry(key)
        _log.warning("failed", reason=error.reason, message=error.message, retry_in_s=round(delay_s, 1))
        digest = subject.digest if subject is not None and isinstance(action, Up) else DELETION
        assert isinstance(digest, str)
        self._failures[key] = _Failed(digest, error, self.queue.clock() + delay_s)

    def _failure(self, key: Key) -> Failure | None:
        failed = self._failures.get(key)
        if failed is None:
            return None
        return Failure(failed.digest, failed.error, is_due=self.queue.clock() >= failed.retry_at_s)

    def _set_timer(self, key: Key, when: datetime | None) -> None:
        if when is not None:
            left_s = (when - self.now()).total_seconds()
            self.queue.add_after(key, min(max(left_s, 0.05), _LONGEST_TIMER_S))


def _result(action: Action, observed: Observed, done: Done) -> metrics.ReconcileResult:
    """How the pass ended, for the metrics: an error is tried again, what has a timer is looked at again."""
    match action:
        case Wait():
            return "requeue_after" if observed.failure or observed.expires_at else "success"
        case _ if done.error is not None:
            return "error"
        case Up() | Nothing() if observed.expires_at:
            return "requeue_after"
    return "success"
