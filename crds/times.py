"""Times and time spans as the API's strings hold them. Pure; loads no models."""

import re
from datetime import UTC, datetime, timedelta

_DURATION = r"(?:([0-9]{1,4})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?"


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as the API server writes it."""
    return datetime.fromisoformat(text)


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with seconds, as the API server writes times."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_duration(text: str) -> timedelta:
    """The time span that a duration such as `8h`, `1h30m` or `90s` stands for.

    Raises ValueError for anything else, the empty string included.
    """
    match = re.fullmatch(_DURATION, text)
    if not match or not text:
        raise ValueError(f"{text!r} is not a duration such as 8h, 1h30m or 45m")
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
