"""What the status of a DevServerUser says."""

from typing import Any

import pytest

from crds.times import parse_time
from stacks.metadata import Owner
from stacks.user import quota_of
from tests.builders import CREATED, child_object, kinds, owner
from tests.unit.kinds.user.test_username import leaving, namespace_of, user

Object = dict[str, Any]


# --- readiness


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([namespace_of("ada")], "Applied"),
        ([], "Applied"),
        ([leaving(namespace_of("ada"))], "NamespaceTerminating"),
    ],
    ids=["in place", "not seen yet", "on its way out"],
)
def test_a_user_is_ready_unless_the_namespace_is_being_deleted(objects: list[Object], reason: str) -> None:
    found = kinds(user("ada"), *objects).user.readiness(owner("DevServerUser", "ada")).condition
    assert found.reason == reason
    assert found.status == ("True" if reason == "Applied" else "False")


# --- the use of the quota

ADA = user("ada")
QUOTA = quota_of("dev-ada")


def quota(of: Owner, **status: Any) -> Object:
    return child_object(QUOTA, of, status=status)


def shown_quota(*objects: Object) -> Any:
    return kinds(ADA, *objects).user.conditions(ADA, None, None, parse_time(CREATED)).fields["quota"]


def test_limits_and_use_are_shown_as_the_api_server_counts_them() -> None:
    counted = {"hard": {"pods": "4", "requests.cpu": "2"}, "used": {"pods": "3", "requests.cpu": "1500m"}}
    assert shown_quota(quota(owner("DevServerUser", "ada"), **counted)) == counted


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [quota(owner("DevServerUser", "ada"))],
        [quota(owner("DevServerUser", "eve"), hard={"pods": "4"}, used={"pods": "3"})],
    ],
    ids=["none", "not counted yet", "another user's"],
)
def test_nothing_is_shown_of_a_quota_that_is_not_there_or_not_counted(objects: list[Object]) -> None:
    assert shown_quota(*objects) is None


def test_no_more_limits_are_shown_than_a_status_may_hold() -> None:
    many = {f"count/r{index:02}": "1" for index in range(40)}
    found = shown_quota(quota(owner("DevServerUser", "ada"), hard=many, used=many))
    assert len(found["hard"]) == len(found["used"]) == 16
