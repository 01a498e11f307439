"""`devctl describe`: gather what there is to know of a DevServer, then lay it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from crds.resources import CORE_EVENT, POD, PVC, SERVICE
from devctl.client import DevServer
from devctl.display import tables
from devctl.errors import DevctlError
from devctl.manifests import keys
from devctl.objects import Object
from devctl.terminal.output import Cell
from devctl.text import inert
from devctl.times import ago

_MAX_EVENTS = 10
UID_LABEL = "devserver.io/uid"


@dataclass(frozen=True)
class Facts:
    """What is shown. children: objects that a user may read, by kind."""

    server: DevServer
    children: Sequence[tuple[str, Object]]
    events: Sequence[Object]


def gather(server: DevServer) -> Facts:
    """Ask the cluster. What one may not read is left out."""
    api, namespace, children = server.client.api, server.namespace, []
    for resource, name in (
        (POD, server.pod),
        (SERVICE, server.name),
        (SERVICE, f"{server.name}-ssh"),
        (PVC, f"{server.name}-home"),
    ):
        found = api.find(resource, name, namespace)
        if found is not None:
            children.append((resource.kind, found))
    try:
        events = api.list_all(CORE_EVENT, namespace, fields=f"involvedObject.name={server.name}")
        events += api.list_all(CORE_EVENT, namespace, fields=f"involvedObject.name={server.pod}")
    except DevctlError:
        events = []
    uids = {server.uid, *(str(child["metadata"].get("uid")) for _, child in children)}
    events = [event for event in events if event.get("involvedObject", {}).get("uid") in uids]
    return Facts(server, children, sorted(events, key=_event_time)[-_MAX_EVENTS:])


def _event_time(event: Object) -> str:
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )


def described(facts: Facts, now: datetime) -> RenderableType:
    """The layout, of texts that are inert."""
    server = facts.server
    parts: list[RenderableType] = [_head(server, now)]
    for title, body in (
        ("Conditions", _conditions(server, now)),
        ("Last update", _last_update(server, now)),
        ("Volumes", _volumes(server)),
        ("Keys", _keys(server)),
        ("Children", _children(facts, now)),
        ("Events", _events(facts, now)),
    ):
        if body is not None:
            parts += [Text(f"\n{title}", style="bold"), body]
    return Group(*parts)


def _head(server: DevServer, now: datetime) -> RenderableType:
    spec, status, stands = server.object.get("spec") or {}, server.status, server.standing
    created = server.object["metadata"].get("creationTimestamp")
    ssh = f"{status.ssh.service}.{server.namespace}, port {status.ssh.port}" if status.ssh else "-"
    home = spec.get("home") or {}
    rows: list[tuple[str, Cell]] = [
        ("Name", server.name),
        ("Namespace", server.namespace),
        ("Owner", str(spec.get("owner", "-"))),
        ("Phase", tables.styled(tables.phase(server), stands.stage)),
        ("Why", f"{stands.reason}: {stands.message}"),
        ("Flavor", status.flavor or spec.get("flavor") or "-"),
        ("Image", str(spec.get("image", "-"))),
        ("Home", f"{home.get('size')}, when deleted: {home.get('onDelete', 'Retain')}" if home else "-"),
        ("SSH", ssh),
        ("Created", f"{created} ({ago(created, now)} ago)"),
        ("Expires", f"{status.expires_at}" if status.expires_at else "-"),
        ("Time left", tables.time_left(created, status.expires_at, now)),
    ]
    return _table([[Text(name, style="bold"), value] for name, value in rows], indent=False)


def _conditions(server: DevServer, now: datetime) -> RenderableType | None:
    rows: list[list[Cell]] = [
        [item.type, item.status, item.reason, ago(item.last_transition_time, now), item.message]
        for item in server.status.conditions
    ]
    return _grid(rows)


def _last_update(server: DevServer, now: datetime) -> RenderableType | None:
    update = server.status.last_update
    if update is None:
        return None
    changes = ", ".join(f"{count} {name}" for name, count in sorted(update.changes.items())) or "nothing"
    return _grid([[f"{ago(update.time, now)} ago", f"took {update.duration_seconds:.1f} s", changes]])


def _volumes(server: DevServer) -> RenderableType | None:
    volumes: list[Any] = (server.object.get("spec") or {}).get("volumes") or []
    return _grid(
        [
            [
                str(item.get("mountPath")),
                str(item.get("claimName")),
                "read only" if item.get("readOnly") else "",
            ]
            for item in volumes
        ]
    )


def _keys(server: DevServer) -> RenderableType | None:
    ssh = (server.object.get("spec") or {}).get("ssh") or {}
    lines = [ssh.get("publicKey", ""), *(ssh.get("additionalPublicKeys") or [])]
    return _grid([[line.split(" ")[0], keys.fingerprint(line), keys.comment(line)] for line in lines])


def _children(facts: Facts, now: datetime) -> RenderableType | None:
    rows: list[list[Cell]] = []
    for kind, child in facts.children:
        status, meta = child.get("status") or {}, child["metadata"]
        is_foreign = meta.get("labels", {}).get(UID_LABEL) not in (None, facts.server.uid)
        remark = "belongs to another DevServer" if is_foreign else str(status.get("phase") or "")
        if kind == "Pod":
            remark = (
                f"{remark} on {child['spec'].get('nodeName') or 'no node yet'}, {_restarts(status)} restarts"
            )
        rows.append([kind, str(meta["name"]), ago(meta.get("creationTimestamp"), now), remark])
    return _grid(rows)


def _restarts(status: Object) -> int:
    return sum(int(item.get("restartCount", 0)) for item in status.get("containerStatuses") or [])


def _events(facts: Facts, now: datetime) -> RenderableType | None:
    rows: list[list[Cell]] = []
    for event in facts.events:
        style = "yellow" if event.get("type") == "Warning" else ""
        rows.append(
            [
                ago(_event_time(event), now),
                Text(inert(event.get("reason") or ""), style=style),
                inert(str(event.get("message") or "").strip()),
            ]
        )
    return _grid(rows)


def _grid(rows: Sequence[Sequence[Cell]]) -> RenderableType | None:
    if not rows:
        return None
    return _table(rows, indent=True)


def _table(rows: Sequence[Sequence[Cell]], indent: bool) -> Table:
    grid = Table(box=None, show_header=False, padding=(0, 3, 0, 0), pad_edge=False)
    for index in range(len(rows[0])):
        grid.add_column(overflow="fold", no_wrap=index < len(rows[0]) - 1)
    for row in rows:
        cells = [cell if isinstance(cell, Text) else Text(inert(cell)) for cell in row]
        grid.add_row(*([Text("  ") + cells[0], *cells[1:]] if indent else cells))
    return grid
