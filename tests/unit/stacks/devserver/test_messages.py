"""What people read in their DevServer."""

import re

import pytest

from stacks.devserver.messages import message_of_the_day, warnings
from tests.builders import owner

ENDS = "2030-01-01T16:00:00Z"
ENDS_S = 1893513600


def test_the_message_of_the_day_says_whose_it_is_how_large_until_when_and_how_to_extend() -> None:
    text = message_of_the_day(owner(), "ada@example.com", "cpu-small", "8h", ENDS)
    for part in ("box in dev-ada", "ada@example.com", "cpu-small", ENDS, "patch dvs box", "doas"):
        assert part in text


def test_the_message_of_the_day_offers_no_extension_where_nothing_expires() -> None:
    text = message_of_the_day(owner(), "ada@example.com", "cpu-small", None, None)
    assert "no expiry" in text
    assert "extend" not in text


def test_the_message_of_the_day_says_why_there_is_no_root() -> None:
    text = message_of_the_day(owner(), "ada@example.com", "cpu-small", None, None, "restricted")
    assert "doas" not in text
    assert "root     none: securityProfile is restricted" in text


@pytest.mark.parametrize(
    ("had", "offered"),
    [("8h", "16h"), ("24h", "32h"), ("30m", "9h"), ("315s", "9h"), ("3600s", "9h"), ("8759h", "8760h")],
)
def test_the_extension_that_is_offered_is_one_and_is_accepted(had: str, offered: str) -> None:
    """The time to live counts from the creation: a fixed one would end some DevServers sooner."""
    assert f'"timeToLive":"{offered}"' in message_of_the_day(owner(), "ada", "cpu-small", had, ENDS)


def test_each_warning_is_a_line_with_the_time_from_which_it_is_true() -> None:
    lines = warnings(owner(), "8h", ENDS, (60, 15, 5)).splitlines()
    assert [int(line.split()[0]) - ENDS_S for line in lines] == [-3600, -900, -300]
    for line, minutes in zip(lines, (60, 15, 5), strict=True):
        assert f"DevServer box ends in less than {minutes} minutes, at {ENDS}. To extend it: kubectl" in line
        assert re.fullmatch(r"[ -~]{1,300}", line)


@pytest.mark.parametrize(("ttl", "ends", "minutes"), [(None, None, ()), ("5m", ENDS, ())])
def test_without_a_warning_the_file_holds_none(ttl: str | None, ends: str | None, minutes: tuple[()]) -> None:
    assert warnings(owner(), ttl, ends, minutes).strip() == ""
