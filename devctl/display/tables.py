"""The rows of lists. Pure; what strangers chose is made inert where rows are printed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.text import Text

from devctl.client import DevServer
from devctl.objects import Object, is_true
from devctl.status.flavor_choice import why_not
from devctl.status.standing import Stage
from devctl.status.volumes import Volume
from devctl.terminal.output import Cell, Rows
from devctl.text import inert, shortened
from devctl.times import ago, ahead, span, time_of

_STYLES = {
    Stage.READY: "green",
    Stage.STOPPED: "dim",
    Stage.WAITING: "yellow",
    Stage.FAILED: "red",
    Stage.ENDING: "magenta",
}
# So much time left is worth a colour.
SOON = timedelta(minutes=30)
_BAR_WIDTH = 30


def styled(text: str, stage: Stage) -> Text:
    """The text in the colour of a stage."""
    return Text(inert(text), style=_STYLES[stage])


def servers(found: Sequence[DevServer], now: datetime, *, wide: bool, namespaces: bool) -> Rows:
    """Columns and rows of a list of DevServers."""
    columns = ["NAME", "FLAVOR", "PHASE", "READY", "EXPIRES IN", "AGE"]
    if wide:
        columns += ["OWNER", "IMAGE", "HOME", "REASON"]
    if namespaces:
        columns.insert(0, "NAMESPACE")
    return columns, [_server(server, now, wide, namespaces) for server in found]


def _server(server: DevServer, now: datetime, wide: bool, namespaces: bool) -> list[Cell]:
    spec, stands = server.object.get("spec") or {}, server.standing
    ready = "yes" if stands.stage is Stage.READY else "no"
    row: list[Cell] = [
        server.name,
        server.status.flavor or spec.get("flavor") or "-",
        styled(phase(server), stands.stage),
        styled(ready, stands.stage),
        expiry(server.status.expires_at, now),
        ago(server.object["metadata"].get("creationTimestamp"), now),
    ]
    if wide:
        home = (spec.get("home") or {}).get("size") or "-"
        row += [str(spec.get("owner", "-")), str(spec.get("image", "-")), home, stands.reason]
    return [server.namespace, *row] if namespaces else row


def phase(server: DevServer) -> str:
    """One word for where it stands."""
    stage = server.standing.stage
    if stage is Stage.ENDING:
        return "Ending"
    return shortened(server.status.phase or "Waiting", 20)


def expiry(expires_at: str | None, now: datetime) -> Text:
    """How long it has still to live."""
    time = time_of(expires_at)
    return Text(ahead(expires_at, now), style="red" if time is not None and time - now < SOON else "")


def time_left(created: str | None, expires_at: str | None, now: datetime, width: int = _BAR_WIDTH) -> Text:
    """A bar of the time left, with the time itself."""
    begin, end = time_of(created), time_of(expires_at)
    if end is None or begin is None:
        return Text("no expiry")
    left, whole = max(end - now, timedelta()), max(end - begin, timedelta(seconds=1))
    filled = min(width, round(width * (left / whole)))
    style = "red" if left < SOON else "green"
    shown = f" {span(left)} of {span(whole)} left"
    return Text.assemble(("█" * filled, style), ("░" * (width - filled), "dim"), shown)


def flavors(found: Sequence[Object], default: str | None, wide: bool) -> Rows:
    """Columns and rows of a list of flavors. default: the name of the one that is taken where none is named."""
    columns = ["NAME", "DEFAULT", "SCHEDULABLE", "NODES", "CPU", "MEMORY", "OTHER"]
    if wide:
        columns.append("WHY")
    return columns, [_flavor(flavor, default, wide) for flavor in found]


def _flavor(flavor: Object, default: str | None, wide: bool) -> list[Cell]:
    spec, status = flavor.get("spec") or {}, flavor.get("status") or {}
    requests = (spec.get("resources") or {}).get("requests") or {}
    nodes = status.get("fittingNodes")
    others = ", ".join(
        f"{name}: {value}" for name, value in requests.items() if name not in ("cpu", "memory")
    )
    name = str(flavor["metadata"]["name"])
    row: list[Cell] = [
        name,
        "yes" if name == default else "-",
        schedulable(flavor),
        "-" if nodes is None else str(nodes),
        str(requests.get("cpu", "-")),
        str(requests.get("memory", "-")),
        others or "-",
    ]
    return [*row, why_not(flavor) or "-"] if wide else row


_SCHEDULABLE_STYLES = {"Yes": "green", "No": "red", "AUTOSCALED": "yellow"}


def schedulable(flavor: Object) -> Text:
    """Whether a pod of the flavor finds room now, in the operator's words."""
    word = str((flavor.get("status") or {}).get("schedulable") or "Unknown")
    return Text(inert(word), style=_SCHEDULABLE_STYLES.get(word, ""))


def users(found: Sequence[Object], now: datetime) -> Rows:
    """Columns and rows of a list of DevServerUsers."""
    rows: list[list[Cell]] = [
        [
            str(user["metadata"]["name"]),
            str((user.get("spec") or {}).get("username", "-")),
            str((user.get("status") or {}).get("namespace") or "-"),
            "yes" if is_true(user, "Ready") else "no",
            ago(user["metadata"].get("creationTimestamp"), now),
        ]
        for user in found
    ]
    return ["NAME", "USERNAME", "NAMESPACE", "READY", "AGE"], rows


def volumes(found: Sequence[Volume], now: datetime) -> Rows:
    """Columns and rows of a list of volumes."""
    return ["NAME", "WHAT", "DEVSERVER", "SIZE", "PHASE", "AGE"], [_volume(volume, now) for volume in found]


def _volume(volume: Volume, now: datetime) -> list[Cell]:
    spec, status = volume.object.get("spec") or {}, volume.object.get("status") or {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "-")
    return [
        volume.name,
        volume.use,
        ", ".join(volume.users) or volume.home_of or "-",
        str((status.get("capacity") or {}).get("storage", asked)),
        str(status.get("phase", "-")),
        ago(volume.object["metadata"].get("creationTimestamp"), now),
    ]
