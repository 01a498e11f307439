"""Which failures a ResourceQuota caused, and when it has room again."""

from typing import Any

import pytest

from reconciler.controller.quotas import quota_freed, was_stopped_by_quota
from reconciler.kube.objects import Key
from reconciler.status.errors import WaitingError

BOX = Key("DevServer", "dev-ada", "box")
ADA = Key("DevServerUser", "", "ada")
FULL = WaitingError(
    "QuotaExceeded", 'services "box" is forbidden: exceeded quota: few, requested: services=1'
)


def quota(hard: dict[str, str], used: dict[str, str]) -> dict[str, Any]:
    return {"status": {"hard": hard, "used": used}}


@pytest.mark.parametrize(
    ("new", "gives_way"),
    [
        (quota({"services": "4"}, {"services": "2"}), True),
        (quota({"services": "2"}, {"services": "1"}), True),
        (quota({}, {}), True),
        (None, True),
        (quota({"services": "2"}, {"services": "2"}), False),
        (quota({"services": "1"}, {"services": "2"}), False),
        (quota({"services": "2", "memory": "1Gi"}, {"services": "2", "memory": "0"}), False),
    ],
    ids=["raised", "used less", "not limited any more", "gone", "as it was", "lowered", "limits more"],
)
def test_a_quota_gives_way_when_it_has_more_room_for_something(new: Any, gives_way: bool) -> None:
    assert quota_freed(quota({"services": "2"}, {"services": "2"}), new) is gives_way


def test_room_is_counted_in_quantities() -> None:
    before = quota({"memory": "1Gi"}, {"memory": "1024Mi"})
    assert quota_freed(before, quota({"memory": "1Gi"}, {"memory": "1073741824"})) is False
    assert quota_freed(before, quota({"memory": "1Gi"}, {"memory": "1023Mi"}))


def test_a_quota_that_has_no_status_yet_has_nothing_to_give() -> None:
    assert quota_freed({}, quota({"services": "2"}, {})) is False


@pytest.mark.parametrize(
    ("key", "namespace", "name", "stopped"),
    [
        (BOX, "dev-ada", "few", True),
        (BOX, "dev-bob", "few", False),
        (BOX, "dev-ada", "fe", False),
        (ADA, "dev-ada", "few", True),
    ],
    ids=["its own", "of another namespace", "of another name", "of a user's namespace"],
)
def test_a_quota_relieves_whom_it_stopped(key: Key, namespace: str, name: str, stopped: bool) -> None:
    assert was_stopped_by_quota(key, FULL, namespace, name) is stopped
    assert not was_stopped_by_quota(key, WaitingError("RunFailed", FULL.message), namespace, name)
