"""Text of strangers (names, messages, owners) made harmless, and times made readable. Pure."""

import difflib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta


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


def parse_time(text: str | None) -> datetime | None:
    """The time that an API object names; None if it names none or nonsense."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def span(time: timedelta) -> str:
    """A time span in its two largest units: `3d4h`, `2h5m`, `1m30s`, `8s`."""
    seconds = max(0, int(time.total_seconds()))
    units = (
        ("d", seconds // 86400),
        ("h", seconds // 3600 % 24),
        ("m", seconds // 60 % 60),
        ("s", seconds % 60),
    )
    largest = next((index for index, (_, count) in enumerate(units) if count), len(units) - 1)
    return "".join(f"{count}{unit}" for unit, count in units[largest : largest + 2] if count) or "0s"


def ago(text: str | None, now: datetime) -> str:
    """How long ago a time of an API object was; `-` without one."""
    time = parse_time(text)
    return "-" if time is None else span(now - time)


def ahead(text: str | None, now: datetime) -> str:
    """How far ahead a time of an API object is; `-` without one, `now` if it is past."""
    time = parse_time(text)
    if time is None:
        return "-"
    return span(time - now) if time > now else "now"
