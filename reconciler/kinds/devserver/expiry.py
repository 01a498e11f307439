"""When a DevServer expires, and its warnings before that. Pure."""

from datetime import datetime, timedelta

from crds import DevServer, parse_duration
from crds.times import format_time, parse_time
from reconciler.status import reasons
from reconciler.status.conditions import ConditionState

# How long before the expiry a DevServer warns, the first warning first.
WARN_BEFORE = (timedelta(minutes=60), timedelta(minutes=15), timedelta(minutes=5))


def time_to_live(devserver: DevServer, default_s: int | None) -> str | None:
    """The timeToLive that applies: the spec's, else the default from the settings, else None."""
    given = devserver.spec.lifecycle.time_to_live
    return given or (f"{default_s}s" if default_s is not None else None)


def expires_at(devserver: DevServer, default_s: int | None, longest_s: int, now: datetime) -> datetime | None:
    """When the DevServer expires; None if never.

    It is the earlier of creation + timeToLive and now + longest_s. It is computed when timeToLive is new or changed;
    until the next change it comes from the status. So an owner may extend again and again, each time up to longest_s
    from now.
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
    """The condition ExpiryLimited, if the maximum in the settings shortened the request; otherwise None."""
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
    """The warnings that fit into the DevServer's time. A DevServer for half an hour does not warn an hour before."""
    return [before for before in WARN_BEFORE if ends - created > before]


def warning_minutes(created: datetime, ends: datetime) -> tuple[int, ...]:
    """How many minutes before its expiry a DevServer warns, the first warning first."""
    return tuple(before // timedelta(minutes=1) for before in _warnings(created, ends))


def warning(created: datetime, ends: datetime | None, home: str, now: datetime) -> ConditionState | None:
    """The condition Expiring; None before the first warning. Each warning has its own reason, and so its own Event.

    home: a sentence that says what happens to the data.
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
    """When the condition Expiring changes next; None if it does not change before the expiry."""
    if ends is None:
        return None
    times = (ends - before for before in _warnings(created, ends))
    return next((time for time in times if time > now), None)


def fate_of_home(devserver: DevServer) -> str:
    """A sentence for conditions and Events that says what happens to the data at the expiry."""
    home = devserver.spec.home
    if home is None:
        return "It has no home volume: what is not on a volume is lost."
    if home.on_delete == "Delete":
        return "Its home is deleted with it (home.onDelete: Delete)."
    return f"Its home, PersistentVolumeClaim {devserver.metadata.name}-home, is kept (home.onDelete: Retain)."
