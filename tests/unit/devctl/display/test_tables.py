"""Rows of lists; what strangers chose is inert."""

from datetime import timedelta

import pytest

from devctl.client import DevServer
from devctl.display import tables
from devctl.terminal.output import table
from tests.unit.devctl.objects import CLIENT, EVIL, NOW, assert_inert, hostile, printed


def test_a_hostile_devserver_is_inert_in_the_list() -> None:
    assert_inert(
        printed(table(*tables.servers([DevServer(CLIENT, hostile())], NOW, wide=True, namespaces=True)))
    )


def test_hostile_flavors_and_users_are_inert() -> None:
    flavor = {
        "metadata": {"name": EVIL},
        "spec": {"resources": {"requests": {EVIL: EVIL, "cpu": EVIL}}},
        "status": {"schedulable": EVIL, "fittingNodes": EVIL, "message": EVIL},
    }
    assert_inert(printed(table(*tables.flavors([flavor], EVIL, wide=True))))
    user = {"metadata": {"name": EVIL}, "spec": {"username": EVIL}, "status": {"namespace": EVIL}}
    assert_inert(printed(table(*tables.users([user], NOW))))


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (timedelta(hours=8), "█" * 30 + " 8h of 8h left"),
        (timedelta(hours=4), "█" * 15 + "░" * 15 + " 4h of 8h left"),
        (timedelta(seconds=1), "░" * 30 + " 1s of 8h left"),
        (timedelta(seconds=-5), "░" * 30 + " 0s of 8h left"),
    ],
)
def test_the_time_left_is_a_bar(left: timedelta, shown: str) -> None:
    created, expires = NOW + left - timedelta(hours=8), NOW + left
    assert tables.time_left(created.isoformat(), expires.isoformat(), NOW).plain == shown


def test_without_an_expiry_there_is_no_bar() -> None:
    assert tables.time_left("2030-01-01T00:00:00Z", None, NOW).plain == "no expiry"
