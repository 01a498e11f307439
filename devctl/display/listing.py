"""`devctl list`, once and live."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from crds.resources import DEVSERVER
from devctl.client import Client, DevServer
from devctl.display import tables
from devctl.errors import NoAnswer
from devctl.objects import Object
from devctl.terminal.output import table
from devctl.text import inert
from devctl.times import now

_RETRY_S = 1.0
_REDRAW_S = 0.25
# A connection that died in silence, as over a night, is noticed after so long.
_WATCH_S = 60


def show(client: Client, all_namespaces: bool) -> None:
    """Print the list."""
    form = client.session.output
    found = client.list(all_namespaces=all_namespaces)
    place = "any namespace" if all_namespaces else f"namespace {client.namespace}"
    client.session.terminal.objects(
        form,
        [server.object for server in found],
        lambda: tables.servers(found, now(), wide=form == "wide", namespaces=all_namespaces),
        f"There are no DevServers in {place}. Create one with `devctl create`.",
    )


def watch(client: Client, all_namespaces: bool) -> None:
    """Print the list, and go on until interrupted: a live table on a terminal, else a line for each change."""
    terminal = client.session.terminal
    if terminal.out.is_terminal and client.session.output in ("table", "wide"):
        _live(client, all_namespaces)
    else:
        _lines(client, all_namespaces)


def _lines(client: Client, all_namespaces: bool) -> None:
    form, terminal = client.session.output, client.session.terminal
    has_header = False
    for kind, server in changes(client, all_namespaces):
        if form in ("json", "yaml"):
            terminal.data(json.dumps({"type": kind, "object": server.object}))
        elif form == "name":
            terminal.data(server.name)
        else:
            columns, rows = tables.servers([server], now(), wide=form == "wide", namespaces=all_namespaces)
            if not has_header:
                terminal.data("\t".join(["CHANGE", *columns]))
                has_header = True
            cells = [cell if isinstance(cell, str) else cell.plain for cell in rows[0]]
            terminal.data("\t".join([kind, *map(inert, cells)]))


def changes(client: Client, all_namespaces: bool) -> Iterator[tuple[str, DevServer]]:
    """ADDED, MODIFIED and DELETED DevServers for ever, those that are there first.

    Raises NoAnswer only if the first list fails; later on, an API server that is away is waited for.
    """
    namespace = "" if all_namespaces else client.namespace
    known: dict[str, Object] = {}
    is_first = True
    while True:
        try:
            items, version = client.api.list_from(DEVSERVER, namespace)
        except NoAnswer:
            if is_first:
                raise
            time.sleep(_RETRY_S)
            continue
        is_first = False
        listed = [("ADDED" if _uid(item) not in known else "MODIFIED", item) for item in items]
        present = {_uid(item) for item in items}
        gone = [("DELETED", obj) for uid, obj in known.items() if uid not in present]
        with suppress(NoAnswer):
            for kind, obj in chain(
                gone, listed, client.api.watch(DEVSERVER, namespace, version, timeout_s=_WATCH_S)
            ):
                before = known.pop(_uid(obj), None)
                if kind != "DELETED":
                    known[_uid(obj)] = obj
                    if before is not None and before["metadata"]["resourceVersion"] == _version(obj):
                        continue
                yield kind, DevServer(client, obj)


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


@dataclass
class Board:
    """What the live list shows. Filled by a thread of its own, for a watch may be silent for long."""

    servers: dict[str, DevServer] = field(default_factory=dict)
    failure: BaseException | None = None

    def follow(self, source: Iterator[tuple[str, DevServer]]) -> None:
        """Take changes up until there are none any more."""
        try:
            for kind, server in source:
                if kind == "DELETED":
                    self.servers.pop(server.uid, None)
                else:
                    self.servers[server.uid] = server
        except BaseException as error:
            self.failure = error

    def rendered(self, wide: bool, namespaces: bool, present: datetime) -> RenderableType:
        """The table."""
        found = sorted(self.servers.copy().values(), key=lambda server: (server.namespace, server.name))
        columns, rows = tables.servers(found, present, wide=wide, namespaces=namespaces)
        remark = Text(f"{len(found)} DevServers, {present:%H:%M:%S} UTC, Ctrl-C to quit", style="dim")
        return Group(table(columns, rows), remark)


def _live(client: Client, all_namespaces: bool) -> None:
    board = Board()
    source = changes(client, all_namespaces)
    threading.Thread(target=board.follow, args=(source,), daemon=True).start()
    wide = client.session.output == "wide"

    def rendered() -> RenderableType:
        return board.rendered(wide, all_namespaces, now())

    # The alternative screen: the list may be longer than the window, and leaves nothing behind.
    with Live(
        get_renderable=rendered, console=client.session.terminal.out, screen=True, refresh_per_second=4
    ):
        while board.failure is None:
            time.sleep(_REDRAW_S)
    raise board.failure
