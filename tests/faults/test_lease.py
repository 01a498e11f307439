"""Several reconcilers: one leads, another takes over, and who was stopped too long does nothing any more."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.kube import eventually
from tests.faults.conftest import MakeOperator
from tests.faults.harness import Operator, Space
from tests.faults.invariants import Guard
from tests.faults.proxy import Exchange
from tests.patience import PATIENCE_S, generous
from tests.shared_cluster import SYSTEM_NAMESPACE

# A create's writes: finalizer, claim, then the children.
MIDDLE = 4
WATCHDOG = "watchdog_process.py"
LEASE_DURATION_S, RENEW_DEADLINE_S = 15.0, 10.0
# Promised, after the leader's sudden death and after its SIGTERM.
FAILOVER_S, AT_ONCE_S = 20.0, 3.0


# Where nobody may have to wait until the Lease runs out.
LONG_LEASE = {"lease_duration_s": 300, "lease_renew_deadline_s": 250}


@pytest.fixture
def two(make_operator: MakeOperator, request: pytest.FixtureRequest) -> tuple[Operator, Operator]:
    """The leader and its standby; with settings of a test's own, if it has any."""
    settings = getattr(request, "param", {})
    leader, standby = make_operator(**settings), make_operator(**settings)
    leader.start()
    standby.start(wait=False)
    standby.await_event("watching")
    return leader, standby


@pytest.fixture
def guard(two: tuple[Operator, Operator], space: Space) -> Guard:
    return Guard(space, list(two))


def test_of_two_reconcilers_one_works_and_the_other_writes_nothing(
    two: tuple[Operator, Operator], space: Space, guard: Guard
) -> None:
    leader, standby = two
    for number in range(4):
        space.create(f"box-{number}")
    space.await_applied()
    guard.check()
    assert leader.runs("box") == 4
    assert not standby.proxy.writes()


@pytest.mark.full
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_the_standby_finishes_the_run_in_which_the_leader_was_killed(
    two: tuple[Operator, Operator], space: Space, guard: Guard, answered: bool
) -> None:
    leader, standby = two
    leader.proxy.reset()
    hit = leader.proxy.at_write(MIDDLE, leader.kill, answered)
    space.create("box")
    assert hit.wait(PATIENCE_S)
    guard.note_host_keys()
    standby.await_event("leading", timeout_s=generous(FAILOVER_S))
    space.await_applied("box")
    leader.assert_nothing_is_left()
    guard.check()


@pytest.mark.full
@pytest.mark.parametrize("two", [LONG_LEASE], indirect=True, ids=["long Lease"])
def test_the_standby_takes_over_at_once_from_a_leader_that_is_ended_in_mid_run(
    two: tuple[Operator, Operator], space: Space, guard: Guard
) -> None:
    leader, standby = two
    leader.proxy.reset()
    hit = leader.proxy.at_write(MIDDLE, lambda: leader.signal(signal.SIGTERM), answered=True)
    space.create("box")
    assert hit.wait(PATIENCE_S)
    standby.await_event("leading", timeout_s=generous(AT_ONCE_S))
    assert leader.ended() == 0
    space.await_applied("box")
    guard.check()


@pytest.mark.full
def test_a_leader_that_is_stopped_is_dead_with_its_engine_before_another_leads(
    two: tuple[Operator, Operator], space: Space, guard: Guard
) -> None:
    leader, standby = two
    leader.proxy.reset()
    hit = leader.proxy.at_write(MIDDLE, lambda: leader.signal(signal.SIGSTOP), answered=True)
    space.create("box")
    assert hit.wait(PATIENCE_S)
    assert leader.ended(RENEW_DEADLINE_S + generous(1)) == -signal.SIGKILL
    leader.deaths.append(time.time())
    leader.assert_nothing_is_left()
    assert not standby.count('"leading"')
    standby.await_event("leading")
    space.await_applied("box")
    guard.check()
    assert_nothing_was_late(leader)


def test_a_leader_that_sleeps_with_all_its_processes_sends_nothing_when_it_wakes(
    two: tuple[Operator, Operator], space: Space, guard: Guard
) -> None:
    leader, standby = two
    (watchdog,) = [child for child in leader.children() if WATCHDOG in " ".join(child.cmdline())]
    (port,) = {item.laddr.port for item in watchdog.net_connections("tcp") if item.status == "LISTEN"}

    def stop_watchdog(exchange: Exchange) -> None:
        """Before the engine begins, when no request is just on its way through the watchdog.

        One that was let pass before everything stops cannot be called back, here as on any network.
        """
        if exchange.method == "POST" and exchange.path.endswith(f"/{SYSTEM_NAMESPACE}/secrets"):
            watchdog.suspend()

    with leader.proxy.before(stop_watchdog):
        space.create("box")
        eventually(lambda: watchdog.status() == psutil.STATUS_STOPPED, "the run is claimed")
    eventually(lambda: connections_with_unread_bytes(port), "the engine's requests wait at the watchdog")
    # Right after a renewal the reconciler has no request on its way either: its next look is a retry period later.
    before = len(renewals(leader))
    eventually(lambda: [item for item in renewals(leader)[before:] if item.status], "the Lease is renewed")
    for process in leader.children():
        process.suspend()
    leader.signal(signal.SIGSTOP)
    # From now on it must do nothing, which the proxy tells.
    leader.deaths.append(time.time())
    standby.await_event("leading")
    space.await_applied("box")
    guard.note_host_keys()

    for process in leader.children():
        process.resume()
    leader.signal(signal.SIGCONT)
    assert leader.ended() != 0, "it lost its Lease, which is no orderly end"
    leader.assert_nothing_is_left()
    guard.check()
    assert_nothing_was_late(leader)
    assert standby.alive


def connections_with_unread_bytes(port: int) -> int:
    """How many connections to a port of this host bring what nobody has read, as the kernel counts."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[1].split(":")[1], 16) == port and int(row[4].split(":")[1], 16) > 0 for row in rows)


def assert_nothing_was_late(operator: Operator) -> None:
    """No request came when another may lead: the renew deadline is before that, for those that are under way."""
    last_allowed = last_renewed(operator) + LEASE_DURATION_S
    late = [exchange for exchange in operator.proxy.log if exchange.started > last_allowed]
    assert not late, [f"{item.method} {item.path} {item.started - last_allowed:.2f} s late" for item in late]


def renewals(operator: Operator) -> list[Exchange]:
    """The requests by which the operator took or renewed the Lease, also one that waits for its answer (status 0)."""
    return [
        exchange
        for exchange in operator.proxy.log
        if "/leases" in exchange.path
        and exchange.method in ("PUT", "PATCH", "POST")
        and exchange.status < 300
    ]


def last_renewed(operator: Operator) -> float:
    """When the last renewal of the Lease began, or what came first if that was before the last reset."""
    log = operator.proxy.log
    return max((exchange.started for exchange in renewals(operator)), default=log[0].started)
