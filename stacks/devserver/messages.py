"""The messages that users read in their DevServer: at login, and on their terminals before it expires."""

from datetime import datetime, timedelta

from crds import parse_duration
from crds.devserver import MAX_TIME_TO_LIVE
from crds.flavor import SecurityProfile
from stacks.metadata import Owner

# The extension that the messages suggest.
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
    """The text at login: owner, flavor, expiry, and how to extend it. person: the owner."""
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
    """The warnings that the start script shows before the expiry: one line each, the first one first.

    A line holds the time from which to show it (seconds since 1970), a blank and the text. So the passing of time
    changes nothing in the file; only another expiry does. warn_minutes: minutes before the expiry, in falling order.
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
    """A command for the owner's own machine, because the DevServer has no kubectl. timeToLive counts from creation."""
    longer = min(parse_duration(time_to_live) + EXTENSION, MAX_TIME_TO_LIVE)
    patch = f'{{"spec":{{"lifecycle":{{"timeToLive":"{-(-longer // _HOUR)}h"}}}}}}'
    return f"kubectl -n {owner.namespace} patch dvs {owner.name} --type merge -p '{patch}'"
