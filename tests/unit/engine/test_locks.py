"""Locks in an external backend: only those of the dead are taken away."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.engine.locks import Host, Lock, is_stale, locks_in
from reconciler.state.run_claim import CutShort

# As the CLI says it.
REFUSAL = """error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete \
the lock file with `pulumi cancel`.
  postgres://****:****@db/.pulumi/locks/organization/devserver/s/a.json: created by ada@laptop (pid 17) at \
2030-01-01T09:00:00+01:00
  postgres://****:****@db/.pulumi/locks/organization/devserver/s/b.json: created by root@reconciler-0 (pid 99999) at \
2030-01-01T08:00:05Z
"""
EIGHT = datetime(2030, 1, 1, 8, tzinfo=UTC)
ADA = Lock("ada", "laptop", 17, EIGHT)
OURS = Lock("root", "reconciler-0", 99999, EIGHT + timedelta(seconds=5))


def later(seconds: float) -> datetime:
    return EIGHT + timedelta(seconds=seconds)


def test_a_refusal_names_each_lock() -> None:
    assert locks_in(REFUSAL) == (ADA, OURS)
    assert str(ADA) == "ada@laptop (pid 17) since 2030-01-01 08:00:00 UTC"


@pytest.mark.parametrize("output", ["", "error: update failed", "created by ada@laptop (pid 17) at noon"])
def test_another_failure_is_none(output: str) -> None:
    assert locks_in(output) is None


def test_a_lock_that_cannot_be_read_is_still_a_lock() -> None:
    (unread,) = locks_in("the stack is currently locked by 1 lock(s). created by A B@c (pid 1) at noon") or ()
    assert not is_stale(unread, here(None), ())
    (lock,) = locks_in("the stack is currently locked by 1 lock(s). created by a@b (pid 1) at noon") or ()
    assert lock.since is None
    assert "unknown time" in str(lock)


def here(started: datetime | None = None, ours: bool = False) -> Host:
    """A host called `reconciler-0` on which the lock's process was started at that time."""
    return Host("reconciler-0", lambda pid: started, lambda pid: ours)


ALIVE = here(later(-60))
CASES = {
    # On this host.
    "its process is gone": (OURS, here(None), (), True),
    "its process runs": (OURS, ALIVE, (), False),
    "another process has its number": (OURS, here(later(60)), (), True),
    "its process was started in the same second": (OURS, here(later(6)), (), False),
    "it is held by an engine of ours": (OURS, here(later(-60), ours=True), (), True),
    "a lock of an unknown time whose process runs": (replace(OURS, since=None), here(later(60)), (), False),
    # On another host.
    "its host is not ours": (ADA, here(None), (), False),
    "its host is that of a run that was cut short": (ADA, ALIVE, (CutShort("laptop", later(-9)),), True),
    "it was taken in the second of the claim": (ADA, ALIVE, (CutShort("laptop", later(1)),), True),
    "it is older than that run": (ADA, ALIVE, (CutShort("laptop", later(60)),), False),
    "another host's run was cut short": (ADA, ALIVE, (CutShort("reconciler-1", later(-9)),), False),
    "one of several runs": (ADA, ALIVE, (CutShort("x", EIGHT), CutShort("laptop", later(-9))), True),
    "a lock of an unknown time": (replace(ADA, since=None), ALIVE, (CutShort("laptop", EIGHT),), False),
}


@pytest.mark.parametrize(("lock", "host", "cut_short", "stale"), CASES.values(), ids=CASES.keys())
def test_a_lock_is_stale_if_its_holder_is_proven_dead(
    lock: Lock, host: Host, cut_short: tuple[CutShort, ...], stale: bool
) -> None:
    assert is_stale(lock, host, cut_short) is stale
