"""Locks in an external backend: whose they are, and whether their holder is dead. Pure.

Pulumi's locks never expire. A process that is killed leaves its lock, and the stack stays locked for ever. `pulumi
cancel` removes all locks of a stack without asking. So it may be used only if every holder is proven dead:

- a process of this host that is gone, or whose process id another process has by now;
- an engine process of our own: no two runs of ours work on one stack, so its lock is left from an earlier run;
- a run of an earlier leader, by the claim in the stack's state Secret: that leader was ended when it lost the Lease.

Anyone else may be alive, however old the lock is. The locks are files of Pulumi's DIY backend:
https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/backend/diy/lock.go
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.state.run_claim import CutShort, time_or_none

# The line for each lock in the CLI's error message.
_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
_LOCKED = re.compile(r"the stack is currently locked by (?P<count>\d+) lock\(s\)")
# Locks have times in whole seconds, processes in hundredths.
_ROUNDING = timedelta(seconds=2)


@dataclass(frozen=True)
class Lock:
    """A lock and its holder. since: None if it cannot be read."""

    user: str
    host: str
    pid: int
    since: datetime | None

    def __str__(self) -> str:
        when = f"{self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else "an unknown time"
        return f"{self.user}@{self.host} (pid {self.pid}) since {when}"


@dataclass(frozen=True)
class Host:
    """This host and its processes, by process id.

    started: when the process was started, None if none runs. is_ours: whether it is one that we started.
    """

    name: str
    started: Callable[[int], datetime | None]
    is_ours: Callable[[int], bool]


def locks_in(output: str) -> tuple[Lock, ...] | None:
    """The locks because of which a command failed; None if it failed for another reason."""
    refusal = _LOCKED.search(output)
    if refusal is None:
        return None
    locks = [
        Lock(found["user"], found["host"], int(found["pid"]), time_or_none(found["since"]))
        for found in _LOCK.finditer(output)
    ]
    # A lock that cannot be read may be anyone's.
    unread = max(0, int(refusal["count"]) - len(locks))
    return (*locks, *[Lock("someone", "somewhere", 0, None)] * unread)


def is_stale(lock: Lock, this_host: Host, cut_short: Sequence[CutShort]) -> bool:
    """Whether the holder is proven dead."""
    if lock.host == this_host.name:
        started = this_host.started(lock.pid)
        if started is None or this_host.is_ours(lock.pid):
            return True
        if lock.since is not None and started > lock.since + _ROUNDING:
            return True
    return lock.since is not None and any(
        run.host == lock.host and run.since <= lock.since + _ROUNDING for run in cut_short
    )
