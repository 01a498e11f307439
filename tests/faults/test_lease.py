"""Several reconcilers: one leads, another takes over, and who was stopped too long does nothing any more."""

import signal
import time

import pytest

from tests.faults.conftest import MakeOperator
from tests.faults.harness import Operator, Space
from tests.faults.invariants import Guard
from tests.faults.proxy import Exchange

# A create's writes: finalizer, claim, then the children.
MIDDLE = 4
LEASE_DURATION_S, RENEW_DEADLINE_S = 15.0, 10.0


@pytest.fixture
def two(make_operator: MakeOperator) -> tuple[Operator, Operator]:
    """The leader and its standby."""
    leader, standby = make_operator(), make_operator()
    leader.start()
    standby.start(wait=False)
    standby.await_event("watching", timeout_s=60)
    return leader, standby


@pytest.fixture
def guard(two: tuple[Operator, Operator], space: Space) -> Guard:
    return Guard(space, list(two))


def leads_s(operator: Operator, since: float, timeout_s: float) -> float:
    """Seconds from then, by time.monotonic(), until the operator leads."""
    operator.await_event("leading", timeout_s=timeout_s)
    return time.monotonic() - since


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
    assert hit.wait(30)
    killed = time.monotonic()
    guard.note_host_keys()
    assert leads_s(standby, killed, 60) <= LEASE_DURATION_S + 5
    space.await_applied("box")
    leader.assert_nothing_is_left()
    guard.check()


@pytest.mark.full
def test_the_standby_takes_over_at_once_from_a_leader_that_is_ended_in_mid_run(
    two: tuple[Operator, Operator], space: Space, guard: Guard
) -> None:
    leader, standby = two
    leader.proxy.reset()
    hit = leader.proxy.at_write(MIDDLE, lambda: leader.signal(signal.SIGTERM), answered=True)
    space.create("box")
    assert hit.wait(30)
    ended = time.monotonic()
    # The bar is 3 s on an idle machine.
    assert leads_s(standby, ended, 60) <= 8
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
    assert hit.wait(30)
    assert leader.ended(RENEW_DEADLINE_S + 5) == -signal.SIGKILL
    leader.deaths.append(time.time())
    leader.assert_nothing_is_left()
    assert not standby.count('"leading"')
    standby.await_event("leading", timeout_s=60)
    space.await_applied("box")
    guard.check()
    assert_nothing_was_late(leader)


def test_a_leader_that_sleeps_with_all_its_processes_sends_nothing_when_it_wakes(
    two: tuple[Operator, Operator], space: Space, guard: Guard
) -> None:
    leader, standby = two

    def sleep() -> None:
        for process in leader.children():
            process.suspend()
        leader.signal(signal.SIGSTOP)
        # From now on it must do nothing, which the proxy tells.
        leader.deaths.append(time.time())

    leader.proxy.reset()
    hit = leader.proxy.at_write(MIDDLE, sleep, answered=True)
    space.create("box")
    assert hit.wait(30)
    standby.await_event("leading", timeout_s=60)
    space.await_applied("box")

    for process in leader.children():
        process.resume()
    leader.signal(signal.SIGCONT)
    assert leader.ended(10) != 0, "it lost its Lease, which is no orderly end"
    leader.assert_nothing_is_left()
    guard.check()
    assert_nothing_was_late(leader)
    assert standby.alive


def assert_nothing_was_late(operator: Operator) -> None:
    """No request began later than a second after the renew deadline."""
    last_allowed = last_renewal(operator).started + RENEW_DEADLINE_S + 1
    late = [exchange for exchange in operator.proxy.log if exchange.started > last_allowed]
    assert not late, [f"{item.method} {item.path} {item.started - last_allowed:.2f} s late" for item in late]


def last_renewal(operator: Operator) -> Exchange:
    renewals = [
        exchange
        for exchange in operator.proxy.log
        if "/leases" in exchange.path
        and exchange.method in ("PUT", "PATCH", "POST")
        and exchange.status < 300
    ]
    return renewals[-1]
