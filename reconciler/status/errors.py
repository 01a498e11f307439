"""The errors of a pass. Each says who must act.

    ReconcileError
    ├── Transient     the operator: try again later
    │   ├── EngineFailed     a Pulumi run ended with an error that may pass
    │   └── EngineTimeout    a Pulumi run passed its deadline and was killed
    ├── Waiting       someone else: a named object must appear or change; its watch wakes the resource
    └── Stalled       the user: the spec must change, the message says what

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


class Transient(ReconcileError):
    """Likely to pass by itself."""


class EngineFailed(Transient):
    """A Pulumi run ended with an error."""


class EngineTimeout(Transient):
    """A Pulumi run passed its deadline."""


class Waiting(ReconcileError):
    """Nothing to do until another object changes."""


class Stalled(ReconcileError):
    """Nothing to do until the spec changes."""
