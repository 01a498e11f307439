"""Text of strangers (names, messages, owners) made harmless, and what is nearest to a mistyped word. Pure."""

import difflib
from collections.abc import Iterable


def inert(text: object) -> str:
    """The text on one line, with all escaped that a terminal could take for a command or show in another order."""
    return "".join(char if char.isprintable() else _escaped(char) for char in str(text))


def inert_lines(text: object) -> str:
    """The same for text of several lines."""
    return "\n".join(map(inert, str(text).split("\n")))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def shortened(text: str, length: int) -> str:
    """The text, cut to so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the known word that is most like this one, nothing if none is."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {found[0]}?)" if found else ""


def counted(number: int, noun: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
