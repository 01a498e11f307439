"""Which flavor is the default, and which one finds room."""

from typing import Any

import pytest

from devctl.status import flavor_choice


def flavor(name: str, schedulable: str | None, cpu: str = "1", **extra: Any) -> dict[str, Any]:
    status = {"schedulable": schedulable, "reason": "NoNodeFits", "message": "no node has 64 CPUs"}
    return {
        "metadata": {"name": name, "creationTimestamp": extra.pop("created", "2030-01-01T00:00:00Z")},
        "spec": {
            "resources": {"requests": {"cpu": cpu, "memory": "1Gi", **extra.pop("requests", {})}},
            **extra,
        },
        "status": status if schedulable else {},
    }


def test_the_oldest_default_flavor_is_the_default_one() -> None:
    found = [
        flavor("b", "Yes", default=True, created="2030-01-02T00:00:00Z"),
        flavor("c", "Yes", default=True, created="2030-01-01T00:00:00Z"),
        flavor("a", "Yes"),
    ]
    assert flavor_choice.default_of(found) == "c"
    assert flavor_choice.default_of(found[2:]) is None


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("small", ""),
        ("unknown-yet", ""),
        (
            "huge",
            "No node has room for flavor huge now (no node has 64 CPUs). The nearest flavor with room is medium.",
        ),
        ("gpu", "No node has room for flavor gpu now (no node has 64 CPUs). No similar flavor has room."),
        ("smal", "There is no flavor smal (did you mean small?). The DevServer would wait for it."),
        (
            None,
            "No flavor is named, and the cluster has no default. Name one with --flavor (see `devctl flavors`).",
        ),
    ],
)
def test_a_hint_names_what_is_wrong_with_a_flavor_and_the_nearest_that_fits(
    wanted: str | None, said: str
) -> None:
    found = [
        flavor("small", "Yes", "500m"),
        flavor("medium", "Yes", "4"),
        flavor("large", "No", "32"),
        flavor("huge", "No", "64"),
        flavor("gpu", "No", "8", requests={"nvidia.com/gpu": "1"}),
        flavor("unknown-yet", None),
    ]
    assert flavor_choice.hint(found, wanted) == said
