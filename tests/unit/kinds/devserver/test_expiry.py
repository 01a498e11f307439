"""When a DevServer ends."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds import DevServer
from crds.times import format_time, parse_time
from reconciler.kinds.devserver.expiry import (
    expires_at,
    fate_of_home,
    limited,
    next_warning,
    time_to_live,
    warning,
    warning_minutes,
)
from tests.builders import CREATED, devserver

BORN = parse_time(CREATED)
WEEK_S = 7 * 24 * 3600


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def with_ttl(ttl: str | None, status: dict[str, Any] | None = None) -> DevServer:
    return devserver(status=status, lifecycle={"timeToLive": ttl} if ttl else {})


def kept(expires: datetime, ttl: str) -> dict[str, Any]:
    return {"expiresAt": format_time(expires), "timeToLive": ttl}


CASES: dict[str, tuple[DevServer, int | None, timedelta, timedelta | None]] = {
    # the DevServer, the default in seconds, its age now, its end as an age
    "counted from creation": (with_ttl("8h"), None, hours(0), hours(8)),
    "counted from creation though seen late": (with_ttl("8h"), None, hours(5), hours(8)),
    "seen only after its end": (with_ttl("8h"), None, hours(9), hours(8)),
    "no time to live and no default": (with_ttl(None), None, hours(0), None),
    "the default": (with_ttl(None), 3600, hours(0), hours(1)),
    "its own, not the default": (with_ttl("8h"), 3600, hours(0), hours(8)),
    "cut to the longest allowed": (with_ttl("8760h"), None, hours(0), hours(168)),
    "the cut is counted from now": (with_ttl("8760h"), None, hours(2), hours(170)),
    "kept once it is known": (with_ttl("8h", kept(BORN + hours(7), "8h")), None, hours(5), hours(7)),
    "a cut end is kept": (with_ttl("8760h", kept(BORN + hours(168), "8760h")), None, hours(100), hours(168)),
    "extended": (with_ttl("16h", kept(BORN + hours(8), "8h")), None, hours(7), hours(16)),
    "extended to as long as allowed from now": (
        with_ttl("400h", kept(BORN + hours(168), "8760h")),
        None,
        hours(100),
        hours(268),
    ),
    "shortened": (with_ttl("1h", kept(BORN + hours(8), "8h")), None, hours(0), hours(1)),
    "shortened to the past": (with_ttl("1h", kept(BORN + hours(8), "8h")), None, hours(5), hours(1)),
    "removed": (with_ttl(None, kept(BORN + hours(8), "8h")), None, hours(5), None),
    "removed where there is a default": (
        with_ttl(None, kept(BORN + hours(8), "8h")),
        36000,
        hours(5),
        hours(10),
    ),
    "the default changed": (with_ttl(None, kept(BORN + hours(1), "3600s")), 7200, hours(0), hours(2)),
    "written another way it is computed anew": (
        with_ttl("480m", kept(BORN + hours(7), "8h")),
        None,
        hours(0),
        hours(8),
    ),
}


@pytest.mark.parametrize(("given_", "default_s", "age", "end"), CASES.values(), ids=CASES.keys())
def test_expires_at(given_: DevServer, default_s: int | None, age: timedelta, end: timedelta | None) -> None:
    expected = None if end is None else BORN + end
    assert expires_at(given_, default_s, WEEK_S, BORN + age) == expected


def test_an_owner_may_extend_again_and_again_but_never_beyond_the_longest_from_now() -> None:
    longest = timedelta(seconds=WEEK_S)
    end, now, ttl = BORN, BORN, 24
    server = with_ttl(f"{ttl}h")
    for _ in range(40):
        found = expires_at(server, None, WEEK_S, now)
        assert found is not None
        assert end < found <= now + longest
        end, now, ttl = found, found - hours(1), ttl + 100
        server = with_ttl(f"{ttl}h", kept(end, f"{ttl - 100}h"))
    assert end > BORN + 20 * longest


@given(
    ttl_s=st.integers(10, 8760 * 3600),
    age_s=st.integers(0, 8760 * 3600),
    longest_s=st.integers(10, 8760 * 3600),
)
def test_the_end_never_moves_once_it_is_kept(ttl_s: int, age_s: int, longest_s: int) -> None:
    ttl, now = f"{ttl_s}s", BORN + timedelta(seconds=age_s)
    first = expires_at(with_ttl(ttl), None, longest_s, now)
    assert first is not None
    server = with_ttl(ttl, kept(first, ttl))
    assert expires_at(server, None, longest_s, now + hours(1000)) == first
    assert first <= now + timedelta(seconds=longest_s)


@pytest.mark.parametrize(
    ("own", "default_s", "holds"),
    [("8h", None, "8h"), ("8h", 60, "8h"), (None, 60, "60s"), (None, None, None)],
)
def test_the_time_to_live_that_holds(own: str | None, default_s: int | None, holds: str | None) -> None:
    assert time_to_live(with_ttl(own), default_s) == holds


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.mark.parametrize(
    ("lasts", "left", "reason"),
    [
        (480, 480, None),
        (480, 60.1, None),
        (480, 60, "EndsIn60Minutes"),
        (480, 15.1, "EndsIn60Minutes"),
        (480, 15, "EndsIn15Minutes"),
        (480, 5, "EndsIn5Minutes"),
        (480, 0, "EndsIn5Minutes"),
        (60, 59, None),
        (30, 30, None),
        (30, 14, "EndsIn15Minutes"),
        (5, 1, None),
        (0.2, 0.1, None),
    ],
)
def test_warnings_come_as_the_end_draws_near_as_far_as_there_is_time_for_them(
    lasts: float, left: float, reason: str | None
) -> None:
    ends = BORN + minutes(lasts)
    found = warning(BORN, ends, "The home stays.", ends - minutes(left))
    assert (found.reason if found else None) == reason
    if found is not None:
        assert found.warns
        assert format_time(ends) in found.message
        assert "spec.lifecycle.timeToLive" in found.message
        assert found.message.endswith("The home stays.")


@pytest.mark.parametrize(
    ("lasts", "told"), [(480, (60, 15, 5)), (60, (15, 5)), (15.1, (15, 5)), (5.1, (5,)), (5, ()), (0.2, ())]
)
def test_the_machine_itself_warns_at_the_same_times(lasts: float, told: tuple[int, ...]) -> None:
    assert warning_minutes(BORN, BORN + minutes(lasts)) == told


def test_what_never_ends_never_warns() -> None:
    assert warning(BORN, None, "", BORN) is None
    assert next_warning(BORN, None, BORN) is None


def test_each_warning_has_its_time_and_an_extension_takes_it_back() -> None:
    ends, now, seen = BORN + hours(8), BORN, []
    while (following := next_warning(BORN, ends, now)) is not None:
        now = following
        seen.append(ends - now)
        assert warning(BORN, ends, "", now) != warning(BORN, ends, "", now - timedelta(seconds=1))
    assert seen == [minutes(60), minutes(15), minutes(5)]
    assert warning(BORN, ends + hours(8), "", now) is None


@pytest.mark.parametrize(
    ("ttl", "lasts_hours", "limited_"),
    [("8h", 8, False), ("8h", 9, False), ("200h", 168, True), ("200h", 199.9, True), (None, 8, False)],
    ids=["as asked", "longer", "cut", "cut a little", "nothing was asked for"],
)
def test_an_end_that_is_nearer_than_asked_for_is_told(
    ttl: str | None, lasts_hours: float, limited_: bool
) -> None:
    ends = BORN + hours(lasts_hours)
    found = limited(BORN, ttl, ends)
    assert (found is not None) is limited_
    if found is not None:
        assert found.reason == "LongestTimeToLive"
        assert "spec.lifecycle.timeToLive: 200h would last until" in found.message
        assert f"limits it to {format_time(ends)}" in found.message
    assert limited(BORN, ttl, None) is None


@pytest.mark.parametrize(
    ("home", "told"),
    [
        (None, "what is not on a volume is lost"),
        ({"size": "1Gi"}, "PersistentVolumeClaim box-home, is kept"),
        ({"size": "1Gi", "onDelete": "Delete"}, "is deleted with it"),
    ],
)
def test_the_fate_of_the_home_is_told(home: dict[str, Any] | None, told: str) -> None:
    assert told in fate_of_home(devserver(**({"home": home} if home else {})))
