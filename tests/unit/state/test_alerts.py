"""An unusable state is told of once, on the resource that it belongs to."""

from typing import Any, cast

import pytest

from reconciler.kube.recorder import Recorder
from reconciler.state.alerts import StateAlerts
from reconciler.state.diagnosis import Problem, Unusable
from reconciler.state.store import StackId
from tests.builders import cache, resource, stack_id

ID = stack_id()
DAMAGED = Unusable(Problem.DAMAGED, "it cannot be parsed: nonsense")
MISSING = Unusable(Problem.MISSING, "it does not exist")


class Bench:
    """Alerts about a DevServer, whose Events are kept."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.notes: list[str] = []
        self.alerts = StateAlerts(cast(Recorder, self), cache(resource("DevServer")).resource)

    async def record(self, about: Any, type_: str, reason: str, note: str) -> None:
        self.events.append(f"{type_} {reason} {about['metadata']['name']}")
        self.notes.append(note)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem.MISSING, "StateMissing"),
        (Problem.DAMAGED, "StateDamaged"),
        (Problem.FOREIGN, "StateForeign"),
        (Problem.KEYS_LOST, "StateKeysLost"),
    ],
)
async def test_each_problem_is_an_event_with_its_cause(bench: Bench, problem: Problem, reason: str) -> None:
    await bench.alerts.note(ID, Unusable(problem, "because of this"), was_applied=True)
    assert bench.events == [f"Warning {reason} box"]
    assert "because of this. The next run adopts" in bench.notes[0]


async def test_a_problem_that_stays_is_told_once(bench: Bench) -> None:
    for _ in range(3):
        await bench.alerts.note(ID, DAMAGED, was_applied=True)
    assert len(bench.events) == 1


async def test_a_problem_that_comes_again_is_told_again(bench: Bench) -> None:
    for unusable in (DAMAGED, None, DAMAGED, MISSING):
        await bench.alerts.note(ID, unusable, was_applied=True)
    assert bench.events == ["Warning StateDamaged box"] * 2 + ["Warning StateMissing box"]


async def test_before_the_first_run_no_state_is_missed(bench: Bench) -> None:
    await bench.alerts.note(ID, MISSING, was_applied=False)
    assert bench.events == []


async def test_a_dead_lifes_state_is_not_told_of_on_the_present_one(bench: Bench) -> None:
    await bench.alerts.note(StackId(ID.key, "uid-of-an-earlier-life"), DAMAGED, was_applied=False)
    assert bench.events == []
