"""How a Pulumi command ends."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandOutput:
    """A command's output and its exit code."""

    stdout: str
    stderr: str
    code: int


class RunLostError(Exception):
    """The command has no result. Its checkpoint may lack something that it did."""


class RunKilledError(RunLostError):
    """The command was killed, because it passed its deadline or the reconciler stops."""


class EngineDiedError(RunLostError):
    """The process that ran the command ended in the middle of it: it crashed or someone else killed it."""


class RunNotBegunError(EngineDiedError):
    """The process ended before it began the command. Nothing was done, so another process may do it."""
