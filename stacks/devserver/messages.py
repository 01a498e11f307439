"""What people read in their DevServer: at login, and on their terminals before it ends."""

from datetime import datetime, timedelta

from crds import parse_duration
from crds.devserver import MAX_TIME_TO_LIVE
from crds.flavor import SecurityProfile
from stacks.metadata import Owner

# What the messages offer for the asking.
EXTENSION = timedelta(hours=8)
_HOUR = timedelta(hours=1)


def message_of_the_day(
    owner: Owner,
    person: str,
    flavor: str,
    time_to_live: str | None,
    expires_at: str | None,
    profile: SecurityProfile = "baseline",
) -> str:
    """Whose DevServer it is, how large, until when, and how to keep it longer. person: its owner."""
    lines = {"owner": person, "flavor": flavor, "expires": expires_at or "no expiry"}
    if time_to_live is not None:
        lines["extend"] = _how_to_extend(owner, time_to_live)
    lines["root"] = (
        "doas COMMAND, or sudo" if profile == "baseline" else f"none: securityProfile is {profile}"
    )
    text = "".join(f"  {name:8} {value}\n" for name, value in lines.items())
    return f"\n  DevServer {owner.name} in {owner.namespace}\n{text}\n"


def warnings(
    owner: Owner, time_to_live: str | None, expires_at: str | None, warn_minutes: tuple[int, ...]
) -> str:
    """What the start script shows as the end draws near: a line for each warning, the first one first.

    A line holds the time from which it is true, in seconds since 1970, a blank, and the text. So time alone brings
    them out, and only another end changes the file. warn_minutes: how long before the end, in falling order.
    """
    if time_to_live is None or expires_at is None or not warn_minutes:
        return "\n"
    ends = round(datetime.fromisoformat(expires_at).timestamp())
    return "".join(
        f"{ends - 60 * minutes} DevServer {owner.name} ends in less than {minutes} minutes, at {expires_at}. "
        f"To extend it: {_how_to_extend(owner, time_to_live)}\n"
        for minutes in warn_minutes
    )


def _how_to_extend(owner: Owner, time_to_live: str) -> str:
    """A command for where the owner's kubectl is; that is not here. The time counts from the creation."""
    longer = min(parse_duration(time_to_live) + EXTENSION, MAX_TIME_TO_LIVE)
    patch = f'{{"spec":{{"lifecycle":{{"timeToLive":"{-(-longer // _HOUR)}h"}}}}}}'
    return f"kubectl -n {owner.namespace} patch dvs {owner.name} --type merge -p '{patch}'"
