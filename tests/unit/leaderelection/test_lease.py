"""The Lease: whose it is, when it is free, and what taking it writes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.leaderelection.lease import LeaseTimes, Sighting, is_free, released, sighted, taken
from tests.builders import CREATED

TIMES = LeaseTimes(duration_s=15, renew_deadline_s=10.0, retry_s=1.0)
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
Object = dict[str, Any]


def lease(holder: str | None, version: str = "1", uid: str = "u", **spec: Any) -> Object:
    holding = {} if holder is None else {"holderIdentity": holder}
    return {
        "metadata": {"name": "l", "uid": uid, "resourceVersion": version, "creationTimestamp": CREATED},
        "spec": {"leaseDurationSeconds": 15, "leaseTransitions": 3, **holding, **spec},
    }


FREE = {
    "it does not exist": (None, 0.0, True),
    "it has no holder": (lease(None), 0.0, True),
    "its holder gave it back": (lease(""), 0.0, True),
    "it is our own": (lease("us"), 0.0, True),
    "another has it": (lease("them"), 0.0, False),
    "another has it, not renewed for just less than its time": (lease("them"), 14.9, False),
    "another let it run out": (lease("them"), 15.0, True),
    "its holder promised more time than we would": (lease("them", leaseDurationSeconds=60), 59.0, False),
    "its holder promised less": (lease("them", leaseDurationSeconds=5), 5.0, True),
    "its holder did not say for how long": (lease("them", leaseDurationSeconds=None), 14.9, False),
}


@pytest.mark.parametrize(("seen", "for_s", "free"), FREE.values(), ids=FREE.keys())
def test_when_the_lease_may_be_taken(seen: Object | None, for_s: float, free: bool) -> None:
    sighting = None if seen is None else Sighting(seen, since_s=100.0)
    assert is_free(sighting, "us", 100.0 + for_s, TIMES) is free


BEFORE = Sighting(lease("them", "7"), since_s=100.0)
SIGHTINGS = {
    "the first look": (None, lease("them"), Sighting(lease("them"), 110.0)),
    "nothing yet": (None, None, None),
    "unchanged": (BEFORE, lease("them", "7"), BEFORE),
    "renewed": (BEFORE, lease("them", "8"), Sighting(lease("them", "8"), 110.0)),
    "made anew": (BEFORE, lease("them", "7", uid="v"), Sighting(lease("them", "7", uid="v"), 110.0)),
    "deleted under its holder, who may act until it would have run out": (BEFORE, None, BEFORE),
}


@pytest.mark.parametrize(("before", "seen", "after"), SIGHTINGS.values(), ids=SIGHTINGS.keys())
def test_a_lease_ages_while_it_is_seen_unchanged(
    before: Sighting | None, seen: Object | None, after: Sighting | None
) -> None:
    assert sighted(before, seen, 110.0) == after


@pytest.mark.parametrize(
    ("before", "transitions", "is_new_time"),
    [
        (None, 1, True),
        (lease("them"), 4, True),
        (lease(""), 4, True),
        (lease(None, leaseTransitions=None), 1, True),
        (lease("us", acquireTime="then"), 3, False),
    ],
    ids=[
        "a new one",
        "another's",
        "one given back",
        "one without a spec to speak of",
        "our own: no transition",
    ],
)
def test_taking_the_lease_counts_a_transition_when_the_holder_changes(
    before: Object | None, transitions: int, is_new_time: bool
) -> None:
    spec = taken(before, "us", TIMES, NOON)
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("us", transitions)
    assert spec["renewTime"] == "2030-01-01T12:00:00.000000Z"
    assert spec["acquireTime"] == (spec["renewTime"] if is_new_time else "then")


def test_a_lease_that_was_given_back_has_no_holder_and_keeps_its_count() -> None:
    given_back = released(lease("us"))
    assert given_back["spec"]["holderIdentity"] == ""
    assert given_back["metadata"] == lease("us")["metadata"], "the precondition of the write"
    assert taken(given_back, "them", TIMES, NOON)["leaseTransitions"] == 4
