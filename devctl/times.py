"""Times of API objects, and spans of time as people read them."""

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


def time_of(text: str | None) -> datetime | None:
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
    time = time_of(text)
    return "-" if time is None else span(now - time)


def ahead(text: str | None, now: datetime) -> str:
    """How far ahead a time of an API object is; `-` without one, `now` if it is past."""
    time = time_of(text)
    if time is None:
        return "-"
    return span(time - now) if time > now else "now"
