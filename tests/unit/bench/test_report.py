"""Percentiles and medians of what was measured."""

import pytest

from bench.report import median, percentile

TEN = [float(number) for number in range(10, 0, -1)]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        (TEN, 50, 5.0),
        (TEN, 95, 10.0),
        (TEN, 10, 1.0),
        (TEN, 11, 2.0),
        (TEN, 0, 1.0),
        (TEN, 100, 10.0),
        ([3.0], 95, 3.0),
    ],
)
def test_a_percentile_is_the_value_of_its_nearest_rank(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_there_is_no_percentile_of_nothing_or_beyond_all(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_a_median_of_an_even_number_lies_between_the_middle_ones() -> None:
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5
    with pytest.raises(ValueError, match="no values"):
        median([])
