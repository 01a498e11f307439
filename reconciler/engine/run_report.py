"""What the engine says about a run, and the error that follows from it, which says who must act."""

import re
from collections.abc import Callable

from reconciler.engine.processes.result import RunKilledError, RunLostError
from reconciler.status import reasons
from reconciler.status.errors import (
    EngineFailedError,
    EngineTimeoutError,
    ReconcileError,
    StalledError,
    WaitingError,
)
from reconciler.text import one_line, shortened

_MAX_MESSAGE = 1000

# The API server would refuse the same inputs again.
_REJECTIONS = re.compile(
    r"\bis invalid\b|Invalid value|Unsupported value|field is immutable|\bForbidden: updates to"
    r"|admission webhook \S+ denied the request|ValidatingAdmissionPolicy .* denied request"
)
_WEBHOOK_AWAY = re.compile(r"failed calling webhook")
_AWAY = re.compile(
    r"cluster is unreachable|connect: connection refused|TLS handshake timeout|etcdserver: |connection reset by peer"
)
_QUOTA = re.compile(r"is forbidden: exceeded quota: ")
_TERMINATING = re.compile(r"unable to create new content in namespace \S+ because it is being terminated")
_FOREIGN = re.compile(r"belongs to someone else \(devserver-managed-objects\)")


class RunReport:
    """Collects what the engine says about a run. redacted: removes secrets from a text."""

    def __init__(self, redacted: Callable[[str], str]) -> None:
        self._redacted = redacted
        self.clear()

    def clear(self) -> None:
        """Forget a failed attempt, before the next one."""
        self.changes: dict[str, int] = {}
        self._errors: list[str] = []

    def note_changes(self, changes: dict[str, int]) -> None:
        """Note the number of resources by operation, which the engine counts at the end."""
        self.changes = changes

    def note_error(self, message: str) -> None:
        """Note an error of a resource or of the program."""
        self._errors.append(self._redacted(plain(message)))

    def error(self, output: str) -> ReconcileError:
        """The error to report for a failed command with that output."""
        # The engine's last line only says that the update failed.
        specific = [
            text for text in dict.fromkeys(self._errors) if text not in ("update failed", "preview failed")
        ]
        message = "; ".join(specific) or plain(output)
        message = shortened(message, _MAX_MESSAGE)
        if _FOREIGN.search(message):
            return StalledError(reasons.NAME_CONFLICT, message)
        if _QUOTA.search(message):
            return WaitingError(reasons.QUOTA_EXCEEDED, message)
        if _TERMINATING.search(message):
            return WaitingError(reasons.NAMESPACE_TERMINATING, message)
        if _REJECTIONS.search(message):
            return StalledError(reasons.REJECTED, message)
        if _WEBHOOK_AWAY.search(message):
            return EngineFailedError(reasons.WEBHOOK_FAILED, message)
        if _AWAY.search(message):
            return EngineFailedError(reasons.CLUSTER_ERROR, message)
        return EngineFailedError(reasons.RUN_FAILED, message)


def error_of(lost: RunLostError) -> ReconcileError:
    """The error to report for a run whose process ended or was killed."""
    if isinstance(lost, RunKilledError):
        return EngineTimeoutError(reasons.RUN_TIMEOUT, f"The Pulumi run was {lost}; trying again.")
    return EngineFailedError(reasons.RUN_FAILED, f"The Pulumi engine {plain(str(lost))}; trying again.")


def plain(text: str) -> str:
    """The text in one line, without Pulumi's colour directives and without control characters."""
    return one_line(re.sub(r"<\{%[^%]*%\}>", "", text))
