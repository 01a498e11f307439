"""The errors of a pass. Each says who must act.

    ReconcileError
    ├── TransientError     the operator: try again later
    │   ├── EngineFailedError     a Pulumi run ended with an error that may pass
    │   └── EngineTimeoutError    a Pulumi run passed its deadline and was killed
    ├── WaitingError       someone else: a named object must appear or change; its watch enqueues the resource
    └── StalledError       the user: the spec must change; the message says how

Unknown exceptions are treated as transient and logged with their traceback.
"""


class ReconcileError(Exception):
    """A pass could not reach its goal.

    reason: CamelCase word for conditions and Events, a row in docs/troubleshooting.md.
    message: one or two sentences that name the field or object and the way out.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TransientError(ReconcileError):
    """An error that is likely to pass by itself."""


class EngineFailedError(TransientError):
    """A Pulumi run ended with an error."""


class EngineTimeoutError(TransientError):
    """A Pulumi run passed its deadline."""


class WaitingError(ReconcileError):
    """Nothing to do until another object changes."""


class StalledError(ReconcileError):
    """Nothing to do until the spec changes."""
