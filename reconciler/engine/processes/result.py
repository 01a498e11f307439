"""How the run of a Pulumi command ends."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What a command said, and its exit code."""

    stdout: str
    stderr: str
    code: int


class RunLostError(Exception):
    """The command has no result: the checkpoint that it left behind may lag behind what it did."""


class RunKilledError(RunLostError):
    """The command was killed: it passed its deadline or the reconciler stops."""


class EngineDiedError(RunLostError):
    """The process that ran the command ended in the middle of it, by a crash or by someone else's hand."""


class RunNotBegunError(EngineDiedError):
    """That process ended before it took the command up: nothing was done, another may be asked."""
