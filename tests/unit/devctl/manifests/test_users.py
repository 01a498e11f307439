"""Manifests of new DevServerUsers."""

import pytest

from devctl.errors import Misuse
from devctl.manifests.users import manifest as user_manifest


def test_a_user_has_a_name_and_bounds() -> None:
    made = user_manifest("alice", keep=False, quota=["pods=5", "requests.cpu=4"])
    assert made["spec"] == {
        "username": "alice",
        "deletionPolicy": "Delete",
        "quotas": {"resourceQuotaSpec": {"hard": {"pods": "5", "requests.cpu": "4"}}},
    }


@pytest.mark.parametrize(
    ("name", "quota", "message"),
    [
        ("Alice", [], "USER: "),
        ("alice", ["pods"], "RESOURCE=QUANTITY"),
        ("alice", ["pods=many"], "--quota: "),
    ],
)
def test_what_is_no_user_is_refused_by_its_option(name: str, quota: list[str], message: str) -> None:
    with pytest.raises(Misuse, match=message):
        user_manifest(name, keep=True, quota=quota)
