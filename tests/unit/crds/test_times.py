"""Times and durations: what these strings of the API stand for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.times import format_time, parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2030-01-01T08:00:00Z", datetime(2030, 1, 1, 8, tzinfo=UTC)),
        ("2030-01-01T08:00:00.123456Z", datetime(2030, 1, 1, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2030-01-01T10:00:00+02:00", datetime(2030, 1, 1, 8, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_the_api_server_writes_them(text: str, time: datetime) -> None:
    assert parse_time(text) == time


def test_times_are_written_in_utc_with_seconds() -> None:
    assert format_time(parse_time("2030-01-01T10:00:00.9+02:00")) == "2030-01-01T08:00:00Z"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("8h", timedelta(hours=8)),
        ("1h30m", timedelta(minutes=90)),
        ("90s", timedelta(seconds=90)),
        ("1h1m1s", timedelta(hours=1, minutes=1, seconds=1)),
        ("0s", timedelta(0)),
        ("08h", timedelta(hours=8)),
        ("99999999s", timedelta(seconds=99999999)),
    ],
)
def test_a_duration_stands_for_a_time_span(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "h",
        "-1h",
        "+1h",
        "1d",
        "8 hours",
        "1.5h",
        "30m1h",
        "1h1h",
        "8h\n",
        " 8h",
        "8H",
        "9999999h",
        "inf",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


@given(
    hours=st.integers(0, 9999),
    minutes=st.integers(0, 999999),
    seconds=st.integers(0, 99999999),
)
def test_a_duration_in_all_units_is_their_sum(hours: int, minutes: int, seconds: int) -> None:
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == span
