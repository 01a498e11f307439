"""Spans of time as people read them."""

from datetime import timedelta

import pytest

from devctl.times import ahead, span
from tests.unit.devctl.objects import NOW


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (8, "8s"), (90, "1m30s"), (3600, "1h"), (7500, "2h5m"), (90061, "1d1h"), (-5, "0s")],
)
def test_a_span_has_its_two_largest_units(seconds: int, shown: str) -> None:
    assert span(timedelta(seconds=seconds)) == shown


def test_a_time_that_is_past_or_nonsense_is_no_time_left() -> None:
    assert ahead("2030-01-02T11:00:00Z", NOW) == "now"
    assert ahead("2030-01-02T15:30:00Z", NOW) == "3h30m"
    assert ahead("soon", NOW) == ahead(None, NOW) == "-"
