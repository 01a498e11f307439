"""SIGKILL of the reconciler at the Nth write to the API server, for every N of a create, an update and a destroy.

Twice for each N: just before the write arrives, and when the API server has carried it out but the reconciler has
not heard of it. A first, undisturbed pass tells how many writes there are.
"""

import json
import threading
from collections.abc import Callable, Iterable

import pytest

from crds.resources import PVC
from stacks.metadata import UID_LABEL
from tests.e2e.kube import eventually
from tests.faults.harness import Operator, Space, await_quiet, is_quiet
from tests.faults.invariants import Guard
from tests.faults.proxy import Exchange
from tests.patience import generous

Points = Callable[[int], Iterable[int]]

HOME = {"size": "1Mi", "storageClassName": "none-such"}
# The short form takes every sixth, others before the write than after it.
STRIDE = 6
# Of a create, when some of its children exist.
MIDDLE = 5
# Two writes of a pass are less than a second apart.
LULL_S = generous(1)
pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.parametrize("answered", [False, True], ids=["before", "after"]),
]


@pytest.fixture
def points(full: bool, answered: bool, tell_figure: Callable[[str, object], None]) -> Points:
    """The Ns to try, of so many."""

    def chosen(total: int) -> Iterable[int]:
        assert total >= 6, f"{total} writes are too few for what was done"
        rest = 1 if answered else 3
        found = [n for n in range(1, total + 1) if full or n % STRIDE == rest]
        tell_figure("kill points", f"{len(found)} of {total}")
        return found

    return chosen


def writes_of(operator: Operator, act: Callable[[], object], rest: Callable[[], object]) -> int:
    """How many writes it takes until the cluster has come to rest."""
    await_quiet(operator.proxy)
    operator.proxy.reset()
    act()
    rest()
    await_quiet(operator.proxy)
    return len(operator.proxy.writes())


def kill_at(operator: Operator, write: int, answered: bool, act: Callable[[], object]) -> None:
    """Act, and kill the operator at this write."""
    operator.proxy.reset()
    hit = operator.proxy.at_write(write, operator.kill, answered)
    act()
    await_kill(operator, write, hit)


def await_kill(operator: Operator, write: int, hit: threading.Event) -> None:
    """Wait until the operator is killed at this write; at rest, if it is the last and did not come.

    How often a status is written depends on when the watches tell of the children: once or twice.
    """
    eventually(lambda: hit.is_set() or operator.proxy.writes(), "a write comes")
    eventually(lambda: hit.is_set() or is_quiet(operator.proxy, LULL_S), "it is hit, or at rest")
    if not hit.is_set():
        assert len(operator.proxy.writes()) == write - 1, "it came to rest too early"
        operator.proxy.reset()
        operator.kill()


def test_a_create_is_finished_after_a_kill_at_any_write(
    operator: Operator, space: Space, guard: Guard, points: Points, answered: bool
) -> None:
    space.create("first", home=HOME)
    space.await_applied()
    total = writes_of(operator, lambda: space.create("box-0", home=HOME), space.await_applied)
    for number in points(total):
        name = f"box-{number}"
        kill_at(operator, number, answered, lambda name=name: space.create(name, home=HOME))  # type: ignore[misc]
        guard.note_host_keys()
        operator.revive()
        space.await_applied(name)
        guard.check()
    assert operator.runs("box-0") == 1, "a restart ran what had not changed"


@pytest.mark.full
def test_the_run_after_a_kill_is_finished_though_it_is_killed_at_any_write_too(
    operator: Operator, space: Space, guard: Guard, points: Points, answered: bool
) -> None:
    def crash(name: str) -> None:
        kill_at(operator, MIDDLE, answered, lambda: space.create(name, home=HOME))
        assert operator.ended() != 0
        guard.note_host_keys()

    space.create("first", home=HOME)
    space.await_applied()
    await_quiet(operator.proxy)
    crash("box-0")
    total = writes_of(operator, operator.revive, space.await_applied)
    for number in points(total):
        name = f"box-{number}"
        crash(name)
        operator.proxy.reset()
        hit = operator.proxy.at_write(number, operator.kill, answered)
        operator.start(wait=False)
        await_kill(operator, number, hit)
        guard.note_host_keys()
        operator.revive()
        space.await_applied(name)
        guard.check()


def test_an_update_is_finished_after_a_kill_at_any_write(
    operator: Operator, space: Space, guard: Guard, points: Points, answered: bool
) -> None:
    space.create("box", home=HOME, lifecycle={"timeToLive": "1h"})
    space.await_applied("box")
    guard.check()
    total = writes_of(operator, lambda: change(space, 0), space.await_applied)
    for number in points(total):
        guard.note_host_keys()
        kill_at(operator, number, answered, lambda number=number: change(space, number))  # type: ignore[misc]
        operator.revive()
        space.await_applied("box")
        guard.check()


def change(space: Space, number: int) -> None:
    """Change the spec in a way that reaches two children."""
    space.patch("box", image=f"local/busybox:{number}", lifecycle={"timeToLive": f"{24 + number}h"})


def test_a_destroy_is_finished_after_a_kill_at_any_write(
    operator: Operator, space: Space, guard: Guard, points: Points, answered: bool
) -> None:
    left: list[str] = []

    def note_children_at_the_end(exchange: Exchange) -> None:
        """Whoever drops the finalizer must have destroyed everything: the garbage collector is the last net."""
        collection, _, name = exchange.path.rpartition("/")
        if exchange.method == "PATCH" and collection.endswith("/devservers"):
            found = space.get(name)
            if found is not None and json.loads(exchange.body)["metadata"]["finalizers"] == []:
                left.extend(f"{child}" for child in guard.children_of(found["metadata"]["uid"]))

    space.create("box-0", home=HOME)
    space.await_applied()
    with operator.proxy.before(note_children_at_the_end):
        total = writes_of(operator, lambda: space.delete("box-0"), lambda: space.await_gone("box-0"))
        numbers = list(points(total))
        for number in numbers:
            space.create(f"box-{number}", home=HOME)
        space.await_applied()
        guard.check()
        for number in numbers:
            name = f"box-{number}"
            kill_at(operator, number, answered, lambda name=name: space.delete(name))  # type: ignore[misc]
            operator.revive()
            space.await_gone(name)
            guard.check()
            home = space.api.get(PVC, space.namespace, f"{name}-home")
            assert home is not None, "the retained home is gone"
            assert UID_LABEL not in home["metadata"]["labels"]
    assert not left, f"the finalizer was dropped over {left}"
