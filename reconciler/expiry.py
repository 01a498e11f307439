"""When a DevServer ends. Pure."""

from datetime import UTC, datetime, timedelta

from crds import DevServer, parse_duration


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as the API server writes it."""
    return datetime.fromisoformat(text)


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with seconds, as the API server writes times."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_to_live(devserver: DevServer, default_s: int | None) -> str | None:
    """The timeToLive that holds: the spec's, else the default of the settings, else none."""
    given = devserver.spec.lifecycle.time_to_live
    return given or (f"{default_s}s" if default_s is not None else None)


def expires_at(devserver: DevServer, default_s: int | None, longest_s: int, now: datetime) -> datetime | None:
    """When the DevServer ends, None if never.

    Computed when timeToLive is first seen or changed, and kept in status from then on: the earlier of creation +
    timeToLive and now + longest_s. So an owner may extend again and again, never further than longest_s from now.
    """
    ttl = time_to_live(devserver, default_s)
    if ttl is None:
        return None
    status = devserver.status
    if status.expires_at is not None and status.time_to_live == ttl:
        return parse_time(status.expires_at)
    created = parse_time(devserver.metadata.creation_timestamp or format_time(now))
    return min(created + parse_duration(ttl), now + timedelta(seconds=longest_s)).replace(microsecond=0)
