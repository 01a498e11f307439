"""Failures: when each is tried again, and which ones need not wait because another object changed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from reconciler.controller.decide import DELETION, Action, Failure, Up, Wait
from reconciler.controller.workqueue import WorkQueue
from reconciler.kube.objects import Key
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError

# Decides whether a failed resource can be tried again now; see Retries.unblock.
Unblocked = Callable[[Key, ReconcileError], bool]
_log = structlog.get_logger()


def was_stopped_by_namespace(error: ReconcileError, namespace: str) -> bool:
    """Whether the resource failed because that namespace was being deleted."""
    return error.reason == reasons.NAMESPACE_TERMINATING and f" {namespace} " in error.message


@dataclass(frozen=True)
class _Failed:
    """A try that failed. retry_at_s: by the queue's monotonic clock, in seconds."""

    digest: str
    error: ReconcileError
    retry_at_s: float


class Retries:
    """The last failure of each resource, and when it is tried again."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._failed: dict[Key, _Failed] = {}

    def failure(self, key: Key) -> Failure | None:
        """The resource's last failure; None if its last try succeeded."""
        failed = self._failed.get(key)
        if failed is None:
            return None
        return Failure(failed.digest, failed.error, is_due=self._queue.clock() >= failed.retry_at_s)

    def note(self, key: Key, action: Action, error: ReconcileError | None) -> None:
        """If this try failed, keep the failure and plan the next try. Otherwise forget earlier failures."""
        if isinstance(action, Wait):
            failed = self._failed.get(key)
            if failed is not None and failed.error is action.error:
                # This pass came before the retry was due and used up the retry's entry in the queue.
                self._queue.add_after(key, max(0.0, failed.retry_at_s - self._queue.clock()))
            return
        if error is None:
            self._failed.pop(key, None)
            self._queue.forget(key)
            return
        delay_s = self._queue.retry(key)
        _log.warning("failed", reason=error.reason, message=error.message, retry_in_s=round(delay_s, 1))
        digest = action.goal.digest if isinstance(action, Up) else DELETION
        self._failed[key] = _Failed(digest, error, self._queue.clock() + delay_s)

    def unblock(self, is_unblocked: Unblocked) -> None:
        """Enqueue the resources whose failure has lost its cause; they need not wait for their next try."""
        for key, failed in self._failed.items():
            if is_unblocked(key, failed.error):
                self._failed[key] = replace(failed, retry_at_s=self._queue.clock())
                self._queue.forget(key)
                self._queue.add(key)
