"""Quantities and names: what the strings of the API stand for."""

from decimal import Decimal

import pytest

from crds import DevServerFlavorSpec, is_valid_name, parse_quantity


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


@pytest.mark.parametrize("name", ["a", "box", "box-2", "ssh", "ssh-box", "home-2", "boxssh", "a" * 52])
def test_a_name_that_a_devserver_may_have(name: str) -> None:
    assert is_valid_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "a" * 53, "Box", "1box", "-box", "box-", "box.one", "box\n", "böx", "../box", "$(id)"],
)
def test_a_name_that_no_devserver_may_have(name: str) -> None:
    assert not is_valid_name(name)


@pytest.mark.parametrize("name", ["box-ssh", "box-sshd", "box-hostkeys", "box-home", "a-ssh-ssh"])
def test_a_name_that_a_child_may_have_is_no_devservers(name: str) -> None:
    assert not is_valid_name(name)


def test_two_volumes_on_one_path_are_both_named() -> None:
    mounts = [("code", "/data"), ("cache", "/cache"), ("models", "/data")]
    volumes = [{"claimName": claim, "mountPath": path} for claim, path in mounts]
    with pytest.raises(ValueError, match=r'two volumes on one path: \["code at /data", "models at /data"\]'):
        DevServerFlavorSpec.model_validate({"volumes": volumes})
