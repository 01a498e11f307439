"""What can go wrong for a user; each kind has an exit code of its own.

DevctlError          1   anything else
├─ Misuse            2   the command line or the configuration is wrong (typer's own errors too)
├─ NotFound          3   the object does not exist
├─ Forbidden         4   the cluster does not allow it
├─ Unreachable       5   no usable kubeconfig, or invalid credentials
│  └─ NoAnswer       5   the API server is away, perhaps for a moment only
├─ TimedOut          6   waiting timed out
├─ Refused           7   the API server refuses it: invalid, already exists, changed meanwhile
└─ CannotStart       8   the DevServer cannot start: with its present spec or, with --strict, not now
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. `exec`, `ssh` and `cp` return the exit code of the program that they run."""

    OK = 0
    FAILED = 1
    MISUSE = 2
    NOT_FOUND = 3
    FORBIDDEN = 4
    UNREACHABLE = 5
    TIMED_OUT = 6
    REFUSED = 7
    CANNOT_START = 8
    INTERRUPTED = 130


class DevctlError(Exception):
    """A message for the user: what is wrong, and what to do about it."""

    exit_code = ExitCode.FAILED

    @property
    def message(self) -> str:
        """The text, which may hold what strangers chose."""
        return str(self)


class Misuse(DevctlError):
    """The command line or the configuration must change."""

    exit_code = ExitCode.MISUSE


class NotFound(DevctlError):
    """The object does not exist."""

    exit_code = ExitCode.NOT_FOUND


class Forbidden(DevctlError):
    """The cluster does not allow it."""

    exit_code = ExitCode.FORBIDDEN


class Unreachable(DevctlError):
    """There is no cluster to talk to."""

    exit_code = ExitCode.UNREACHABLE


class NoAnswer(Unreachable):
    """The API server does not answer. It may soon: trying again makes sense."""


class TimedOut(DevctlError):
    """Waiting timed out."""

    exit_code = ExitCode.TIMED_OUT


class Refused(DevctlError):
    """The API server refuses it. reason: its machine-readable reason, for example `Conflict`."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class CannotStart(DevctlError):
    """The DevServer cannot start."""

    exit_code = ExitCode.CANNOT_START
