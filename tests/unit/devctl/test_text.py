"""What strangers chose, on a terminal."""

import pytest

from devctl.text import counted, inert, nearest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Jürgen 東京", "Jürgen 東京"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("two\nlines", "two\\nlines"),
        ("back\rward", "back\\rward"),
        ("bidi \u202eevil", "bidi \\u202eevil"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("bell\x07nul\x00", "bell\\x07nul\\x00"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("[red]markup[/red]", "[red]markup[/red]"),
    ],
)
def test_what_a_terminal_could_obey_is_escaped(text: str, shown: str) -> None:
    assert inert(text) == shown


def test_a_mistyped_word_gets_the_nearest_known_one() -> None:
    assert nearest("flavour", ["flavor", "image"]) == " (did you mean flavor?)"
    assert nearest("zzz", ["flavor", "image"]) == ""


@pytest.mark.parametrize(("number", "shown"), [(0, "0 keys"), (1, "1 key"), (2, "2 keys")])
def test_what_is_counted_is_singular_or_plural(number: int, shown: str) -> None:
    assert counted(number, "key") == shown
