"""The reconciler and the processes that it starts are killed, stopped and ended in the middle of a run."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import MakeOperator
from tests.faults.harness import PROVIDER, PROVIDER_PROXY, WORKER, Operator, Space
from tests.faults.invariants import Guard
from tests.patience import PATIENCE_S, generous

# A create's writes: finalizer, claim, then the children; of these the engine makes the most.
MIDDLE = 4
# Promised: the end after SIGTERM.
ENDS_S = 5.0
# Ten times what a run takes.
DEADLINE_S = 12.0


def in_mid_run(
    operator: Operator, space: Space, name: str, action: Callable[[], object], answered: bool
) -> None:
    """Make a DevServer and act while its children are being made."""
    operator.proxy.reset()
    hit = operator.proxy.at_write(MIDDLE, action, answered)
    space.create(name)
    assert hit.wait(PATIENCE_S), "the run made no writes"


def signal_all(operator: Operator, program: str, number: signal.Signals) -> None:
    found = operator.children(program)
    assert found, f"no {program} runs"
    for process in found:
        process.send_signal(number)


@pytest.mark.parametrize(
    ("program", "answered"),
    [
        pytest.param(WORKER, False, id="worker-before", marks=pytest.mark.full),
        pytest.param(WORKER, True, id="worker-after"),
        pytest.param(PROVIDER, False, id="provider-before"),
        pytest.param(PROVIDER, True, id="provider-after", marks=pytest.mark.full),
        pytest.param(PROVIDER_PROXY, False, id="proxy-before", marks=pytest.mark.full),
        pytest.param(PROVIDER_PROXY, True, id="proxy-after"),
    ],
)
def test_a_killed_process_of_the_engine_fails_the_run_and_the_next_one_finishes_it(
    operator: Operator, space: Space, guard: Guard, program: str, answered: bool
) -> None:
    space.create("before")
    space.await_applied("before")
    for name in ("box", "box-again"):
        in_mid_run(operator, space, name, lambda: signal_all(operator, program, signal.SIGKILL), answered)
        space.await_applied(name)
        guard.check()
    assert operator.alive
    assert operator.runs("before") == 1


@pytest.mark.parametrize(
    "program",
    [pytest.param(WORKER, id="worker", marks=pytest.mark.full), pytest.param(PROVIDER, id="provider")],
)
def test_a_hung_process_of_the_engine_is_killed_at_the_deadline(
    make_operator: MakeOperator, space: Space, program: str
) -> None:
    operator = make_operator(run_deadline_s=DEADLINE_S)
    operator.start()
    guard = Guard(space, [operator])
    in_mid_run(operator, space, "box", lambda: signal_all(operator, program, signal.SIGSTOP), answered=True)
    # The other one is not held up.
    space.create("beside")
    space.await_applied("beside", "box")
    guard.check()
    assert operator.runs("box") == 2


def test_sigterm_in_mid_run_ends_the_process_soon_and_the_next_one_goes_on(
    operator: Operator, space: Space, guard: Guard
) -> None:
    for name, answered in (("box", False), ("box-again", True)):
        in_mid_run(operator, space, name, lambda: operator.signal(signal.SIGTERM), answered)
        started = time.monotonic()
        assert operator.ended() == 0
        assert time.monotonic() - started < generous(ENDS_S)
        operator.assert_nothing_is_left()
        guard.note_host_keys()
        operator.start()
        space.await_applied(name)
        guard.check()


def test_a_second_reconciler_on_the_same_run_directory_is_refused(
    operator: Operator, make_operator: MakeOperator, space: Space, guard: Guard
) -> None:
    space.create("box")
    space.await_applied("box")
    second = make_operator(run_dir=operator.run_dir)
    second.start(wait=False)
    assert second.ended() == 1
    assert f"another reconciler uses {operator.run_dir}: set DEVSERVER_RUN_DIR" in second.log.read_text()
    assert not second.proxy.writes()
    space.create("after")
    space.await_applied("after")
    guard.check()
