"""When a DevServer ends. Pure."""

from datetime import datetime, timedelta

from crds import DevServer, parse_duration
from crds.times import format_time, parse_time
from reconciler.status import reasons
from reconciler.status.conditions import ConditionState

# How long before the end a DevServer warns, the first warning first.
WARN_BEFORE = (timedelta(minutes=60), timedelta(minutes=15), timedelta(minutes=5))


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


def limited(created: datetime, ttl: str | None, ends: datetime | None) -> ConditionState | None:
    """The condition ExpiryLimited: the end is nearer than asked for, as the settings bound it; None if it is not."""
    if ttl is None or ends is None:
        return None
    asked = created + parse_duration(ttl)
    if ends >= asked:
        return None
    message = (
        f"spec.lifecycle.timeToLive: {ttl} would last until {format_time(asked)}. The operator's maximum "
        f"(DEVSERVER_MAX_TIME_TO_LIVE_S) limits it to {format_time(ends)}. Raise timeToLive again later to extend it."
    )
    return ConditionState(reasons.EXPIRY_LIMITED, "True", reasons.LONGEST_TIME_TO_LIVE, message)


def _warnings(created: datetime, ends: datetime) -> list[timedelta]:
    """Those that there is time for: who asks for half an hour need not be told at once that less than one is left."""
    return [before for before in WARN_BEFORE if ends - created > before]


def warning_minutes(created: datetime, ends: datetime) -> tuple[int, ...]:
    """How many minutes before its end a DevServer warns, the first warning first."""
    return tuple(before // timedelta(minutes=1) for before in _warnings(created, ends))


def warning(created: datetime, ends: datetime | None, home: str, now: datetime) -> ConditionState | None:
    """The condition Expiring; None while there is time. Each warning has a reason of its own, and so an Event.

    home: what becomes of the data, a sentence.
    """
    if ends is None:
        return None
    reached = [before for before in _warnings(created, ends) if now >= ends - before]
    if not reached:
        return None
    minutes = int(reached[-1].total_seconds()) // 60
    message = (
        f"It ends at {format_time(ends)}, in less than {minutes} minutes. Raise spec.lifecycle.timeToLive to extend "
        f"it. {home}"
    )
    return ConditionState(reasons.EXPIRING, "True", f"EndsIn{minutes}Minutes", message, warns=True)


def next_warning(created: datetime, ends: datetime | None, now: datetime) -> datetime | None:
    """When the condition Expiring changes next, None if it does not before the end."""
    if ends is None:
        return None
    times = (ends - before for before in _warnings(created, ends))
    return next((time for time in times if time > now), None)


def fate_of_home(devserver: DevServer) -> str:
    """What becomes of the data at the end, a sentence for Events."""
    home = devserver.spec.home
    if home is None:
        return "It has no home volume: what is not on a volume is lost."
    if home.on_delete == "Delete":
        return "Its home is deleted with it (home.onDelete: Delete)."
    return f"Its home, PersistentVolumeClaim {devserver.metadata.name}-home, is kept (home.onDelete: Retain)."
