"""What a resource asks for, and how a spec that cannot be read is told of."""

from typing import Any

import pytest

from crds import DevServer
from crds.times import parse_time
from reconciler.controller.desired import Goal, desired_of, parsed
from reconciler.status.errors import StalledError, WaitingError
from tests.builders import CREATED, kinds, resource

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ({"owner": None}, ["spec.owner"]),
        ({"image": ""}, ["spec.image"]),
        ({"lifecycle": {"timeToLive": "1d"}}, ["spec.lifecycle.timeToLive"]),
        ({"lifecycle": {"timeToLive": "0s"}}, ["from 10s to 8760h"]),
        ({"unheardOf": 1}, ["spec.unheardOf"]),
        ({"image": "", "flavor": "?"}, ["spec.image", "spec.flavor"]),
    ],
)
def test_a_spec_that_does_not_fit_is_told_by_field(spec: Object, parts: list[str]) -> None:
    with pytest.raises(StalledError) as error:
        parsed(DevServer, resource("DevServer", **spec))
    assert error.value.reason == "InvalidSpec"
    for part in parts:
        assert part in error.value.message


def test_fields_of_a_newer_operators_status_are_ignored() -> None:
    assert parsed(DevServer, resource("DevServer", status={"news": 1})).status.expires_at is None


def test_a_resource_whose_spec_can_be_applied_has_a_goal() -> None:
    box = resource("DevServer")
    known = kinds(box, resource("DevServerFlavor", "cpu-small", default=True)).devserver
    desired = desired_of(known, box, parse_time(CREATED))
    assert isinstance(desired.goal, Goal)
    assert desired.goal.model is desired.model
    assert (desired.goal.inputs.flavor_name, desired.goal.rejected) == ("cpu-small", None)


def test_what_cannot_be_applied_yet_is_readable_all_the_same() -> None:
    box = resource("DevServer")
    desired = desired_of(kinds(box).devserver, box, parse_time(CREATED))
    assert isinstance(desired.goal, WaitingError)
    assert isinstance(desired.model, DevServer)


def test_a_spec_that_does_not_fit_is_neither() -> None:
    box = resource("DevServer", image="")
    desired = desired_of(kinds(box).devserver, box, parse_time(CREATED))
    assert isinstance(desired.model, StalledError)
    assert desired.goal is desired.model
