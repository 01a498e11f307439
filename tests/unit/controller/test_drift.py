"""What others did to the children, and when the operator gives way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.controller.drift import (
    FIGHT_WINDOW,
    REPAIR_ROUNDS,
    Drift,
    Repairs,
    changed_fields,
    drift_condition,
)
from reconciler.kinds.devserver.kind import DevServerKind
from reconciler.kube.managed_fields import managed_fields
from reconciler.kube.objects import Key
from reconciler.state.checkpoint import Recorded
from stacks.devserver.program import DevServerChildren
from stacks.metadata import MANAGER
from tests.builders import cache, child_object, owner

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
KEY = Key("DevServer", "dev-ada", "box")
NAMES = DevServerChildren.of(owner())
SET, HOME = NAMES.stateful_set, NAMES.home
REPLICAS = Drift(SET, ("spec.replicas",))


def live(child: Any, version: int, *paths: str) -> dict[str, Any]:
    """The child with an entry of ours that holds these fields."""
    fields: dict[str, Any] = {}
    for path in paths:
        at = fields
        for part in path.split("."):
            at = at.setdefault(f"f:{part}", {})
    obj = child_object(child)
    obj["metadata"] |= {
        "resourceVersion": str(version),
        "managedFields": [{"manager": MANAGER, "operation": "Apply", "fieldsV1": fields}],
    }
    return obj


def recorded(child: Any, version: int, *paths: str) -> dict[Any, Recorded]:
    return {child: Recorded(version, managed_fields(live(child, version, *paths)))}


def changes(before: dict[Any, Recorded], *objects: dict[str, Any]) -> tuple[Drift, ...]:
    return changed_fields(before, cache(*objects), owner(), DevServerKind.tolerated_drift)


BOTH = ("spec.replicas", "spec.serviceName")


def test_what_is_as_we_left_it_has_not_drifted() -> None:
    assert changes(recorded(SET, 5, *BOTH), live(SET, 5, *BOTH)) == ()


def test_a_change_of_the_status_alone_is_no_drift() -> None:
    assert changes(recorded(SET, 5, *BOTH), live(SET, 9, *BOTH)) == ()


def test_a_field_that_someone_took_is_named() -> None:
    assert changes(recorded(SET, 5, *BOTH), live(SET, 9, "spec.serviceName")) == (REPLICAS,)


def test_a_watch_that_lags_behind_our_own_write_shows_no_drift() -> None:
    assert changes(recorded(SET, 9, *BOTH), live(SET, 5, "spec.serviceName")) == ()


def test_a_home_that_was_expanded_by_hand_has_not_drifted() -> None:
    before = recorded(HOME, 5, "spec.resources.requests.storage")
    assert changes(before, live(HOME, 9)) == ()


def test_an_object_of_someone_else_is_none_of_our_business() -> None:
    foreign = live(SET, 9)
    foreign["metadata"]["labels"] = {}
    assert changes(recorded(SET, 5, *BOTH), foreign) == ()


def test_a_child_that_is_gone_is_not_looked_into() -> None:
    assert changes(recorded(SET, 5, *BOTH)) == ()


def test_a_state_without_the_record_shows_no_drift() -> None:
    assert changes({SET: Recorded(0, "{}")}, live(SET, 9)) == ()


@pytest.mark.parametrize(
    ("drift", "text"),
    [
        (REPLICAS, "StatefulSet box was changed (spec.replicas)"),
        (Drift(SET), "StatefulSet box was deleted"),
        (Drift(SET, tuple("abcdefg")), "StatefulSet box was changed (a, b, c, d, e and 2 more)"),
    ],
    ids=["a field", "the child", "many fields"],
)
def test_drift_in_words(drift: Drift, text: str) -> None:
    assert str(drift) == text


def fought(rounds: int, every: timedelta = timedelta(seconds=1)) -> tuple[Repairs, datetime]:
    repairs, now = Repairs(), NOW
    for _ in range(rounds):
        repairs.note(KEY, (REPLICAS,), now)
        now += every
    return repairs, now


def test_the_same_drift_again_and_again_is_a_fight() -> None:
    repairs, now = fought(REPAIR_ROUNDS - 1)
    assert repairs.contested_until(KEY, (REPLICAS,), now) is None
    repairs.note(KEY, (REPLICAS,), now)
    assert repairs.contested_until(KEY, (REPLICAS,), now) == NOW + FIGHT_WINDOW


def test_a_fight_is_over_one_thing_of_one_resource() -> None:
    repairs, now = fought(REPAIR_ROUNDS)
    assert repairs.contested_until(KEY, (Drift(SET),), now) is None
    assert repairs.contested_until(KEY._replace(name="other"), (REPLICAS,), now) is None
    assert repairs.contested_until(KEY, (Drift(SET), REPLICAS), now) is None, "the other thing is put back"


def test_after_the_window_it_is_tried_again() -> None:
    repairs, _ = fought(REPAIR_ROUNDS)
    assert repairs.contested_until(KEY, (REPLICAS,), NOW + FIGHT_WINDOW) is None


def test_what_drifts_now_and_then_is_put_back_for_ever() -> None:
    repairs, now = fought(50, every=FIGHT_WINDOW / (REPAIR_ROUNDS - 1))
    assert repairs.contested_until(KEY, (REPLICAS,), now) is None


def test_a_resource_that_is_gone_is_forgotten() -> None:
    repairs, now = fought(REPAIR_ROUNDS)
    repairs.forget(KEY)
    assert repairs.contested_until(KEY, (REPLICAS,), now) is None


def test_what_is_drift_condition() -> None:
    assert drift_condition((), "Observe", None) is None
    assert drift_condition((REPLICAS,), "Repair", None) is None, "it is put back"
    observed = drift_condition((REPLICAS,), "Observe", NOW)
    assert observed is not None
    assert observed.reason == "DriftObserved"
    assert observed.message.startswith("StatefulSet box was changed (spec.replicas).")
    contested = drift_condition((REPLICAS,), "Repair", NOW)
    assert contested is not None
    assert contested.reason == "DriftContested"
    assert "2030-01-01 12:00:00" in contested.message
