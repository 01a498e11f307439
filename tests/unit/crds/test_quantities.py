"""Quantities: what these strings of the API stand for."""

from decimal import Decimal

import pytest

from crds import parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("2", "2"),
        ("0.5", "0.5"),
        ("500m", "0.5"),
        ("100u", "0.0001"),
        ("5n", "0.000000005"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", str(1.5 * 2**30)),
        ("1M", "1000000"),
        ("2Ti", str(2 * 2**40)),
        ("1E", "1000000000000000000"),
        ("1Ei", str(2**60)),
        ("1e3", "1000"),
        ("10E9", "10000000000"),
        ("5e-1", "0.5"),
        ("999999999999999", "999999999999999"),
    ],
)
def test_a_quantity_stands_for_a_number(text: str, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "-1",
        "+1",
        "1 Gi",
        "1gi",
        "1GiB",
        "1K",
        "Gi",
        ".5",
        "5.",
        "1.2.3",
        "1e",
        "1e999",
        "1\n",
    ],
)
def test_anything_else_is_no_quantity_and_is_never_read_as_zero(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as"):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["\N{ARABIC-INDIC DIGIT ONE}", "0x10", "1_000", "NaN", "Infinity", "$(id)"])
def test_what_python_takes_for_a_number_may_be_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as"):
        parse_quantity(text)
