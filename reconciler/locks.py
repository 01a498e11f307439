"""Locks in an external backend: whose they are, and whether their holder is dead. Pure.

Pulumi's locks (https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/backend/diy/lock.go) never expire. A process that
is killed leaves its own, and the stack stays locked for ever. `pulumi cancel` removes all locks of a stack without
asking, so it may be used only where every holder is proven dead:

- a process of this host that is gone, or whose number another process has by now;
- an engine process of our own: no two runs of ours are on one stack, so what it holds is left from an earlier one;
- a run of an earlier leader, by the claim in the stack's state Secret: it lost the Lease, and was ended with it.

Anyone else may be alive, however old the lock is.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# The line of each lock in the CLI's refusal: checkForLock of the file above.
_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
_LOCKED = re.compile(r"the stack is currently locked by (?P<count>\d+) lock\(s\)")
# Locks tell the second, and processes the hundredth of one.
_ROUNDING = timedelta(seconds=2)


@dataclass(frozen=True)
class Lock:
    """since: None if it cannot be read."""

    user: str
    host: str
    pid: int
    since: datetime | None

    def __str__(self) -> str:
        when = f"{self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else "an unknown time"
        return f"{self.user}@{self.host} (pid {self.pid}) since {when}"


@dataclass(frozen=True)
class CutShort:
    """A run of an earlier leader that never ended. since: not later than any lock of it."""

    host: str
    since: datetime


@dataclass(frozen=True)
class Here:
    """This host. started: when the process of that number was started, None if there is none that runs.

    is_ours: whether the process is one that we started.
    """

    host: str
    started: Callable[[int], datetime | None]
    is_ours: Callable[[int], bool]


def locks_in(output: str) -> tuple[Lock, ...] | None:
    """The locks that a command was refused for; None if it failed for something else."""
    refusal = _LOCKED.search(output)
    if refusal is None:
        return None
    locks = [
        Lock(found["user"], found["host"], int(found["pid"]), _time(found["since"]))
        for found in _LOCK.finditer(output)
    ]
    # One that cannot be read may be anyone's.
    unread = max(0, int(refusal["count"]) - len(locks))
    return (*locks, *[Lock("someone", "somewhere", 0, None)] * unread)


def runs_cut_short(claims: Sequence[tuple[str, str]]) -> tuple[CutShort, ...]:
    """The runs of claims that were never taken off, by holder (`HOST_TOKEN`) and time."""
    timed = [(holder.rpartition("_")[0], _time(since)) for holder, since in claims]
    return tuple(CutShort(host, since) for host, since in timed if host and since is not None)


def is_stale(lock: Lock, here: Here, cut_short: Sequence[CutShort]) -> bool:
    """Whether the holder is proven dead."""
    if lock.host == here.host:
        started = here.started(lock.pid)
        if started is None or here.is_ours(lock.pid):
            return True
        if lock.since is not None and started > lock.since + _ROUNDING:
            return True
    return lock.since is not None and any(
        run.host == lock.host and run.since <= lock.since + _ROUNDING for run in cut_short
    )


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
