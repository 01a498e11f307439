"""How devctl shows things; what strangers chose is inert, in tables and in machines' forms."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from rich.console import Console, RenderableType

from devctl import describing, listing, tables
from devctl.client import Client, DevServer
from devctl.config import Config
from devctl.output import Terminal, table
from devctl.session import Session

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
EVIL = "\x1b]0;owned\x07\x7f\x1b[2J\u202e\u2066[red]x[/red]\r\nrm \x9b31m\u200b"
CLIENT = Client(Session(Config(), None, None, "dev-alice", "table"))


def printed(what: RenderableType, width: int = 200) -> str:
    """As on a terminal with colours."""
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=width, markup=False, color_system="truecolor").print(what)
    return file.getvalue()


def hostile() -> dict[str, Any]:
    """A DevServer as hostile as a broken API server could serve it."""
    condition = {
        "type": EVIL,
        "status": "False",
        "reason": "Bad",
        "message": EVIL,
        "lastTransitionTime": "2030-01-02T11:00:00Z",
    }
    return {
        "metadata": {
            "name": EVIL,
            "namespace": EVIL,
            "uid": EVIL,
            "generation": 1,
            "creationTimestamp": "2030-01-02T10:00:00Z",
        },
        "spec": {
            "owner": EVIL,
            "image": EVIL,
            "flavor": EVIL,
            "home": {"size": EVIL, "onDelete": EVIL},
            "volumes": [{"claimName": EVIL, "mountPath": EVIL, "readOnly": True}],
            "ssh": {"publicKey": f"ssh-ed25519 AAAA {EVIL}", "additionalPublicKeys": [EVIL]},
        },
        "status": {
            "phase": EVIL[:30],
            "flavor": EVIL,
            "expiresAt": "2030-01-02T18:00:00Z",
            "ssh": {"service": EVIL[:60], "port": 22},
            "conditions": [condition, {**condition, "type": "Ready", "observedGeneration": 1}],
            "lastUpdate": {"time": EVIL, "durationSeconds": 1, "changes": {EVIL: 1}},
        },
    }


def facts(obj: dict[str, Any]) -> describing.Facts:
    meta = {"name": EVIL, "uid": EVIL, "creationTimestamp": EVIL, "labels": {}}
    pod = {"metadata": meta, "spec": {"nodeName": EVIL}, "status": {"phase": EVIL}}
    event = {
        "metadata": {},
        "lastTimestamp": "2030-01-02T11:59:00Z",
        "reason": EVIL,
        "message": EVIL,
        "type": EVIL,
    }
    return describing.Facts(DevServer(CLIENT, obj), [("Pod", pod)], [event])


def assert_inert(text: str) -> None:
    """Only colours and line breaks of our own are left."""
    for control in ("\x1b]", "\x1b[2J", "\u202e", "\u2066", "\x07", "\r", "\x9b", "\u200b"):
        assert control not in text
    assert "\\x1b" in text


def test_a_hostile_devserver_is_inert_in_the_list() -> None:
    assert_inert(
        printed(table(*tables.servers([DevServer(CLIENT, hostile())], NOW, wide=True, namespaces=True)))
    )


def test_a_hostile_devserver_is_inert_in_the_live_list() -> None:
    board = listing.Board({"u": DevServer(CLIENT, hostile())})
    assert_inert(printed(board.rendered(True, True, NOW)))


@pytest.mark.parametrize("width", [40, 200])
def test_a_hostile_devserver_is_inert_when_described(width: int) -> None:
    assert_inert(printed(describing.described(facts(hostile()), NOW), width))


def test_hostile_flavors_and_users_are_inert() -> None:
    flavor = {
        "metadata": {"name": EVIL},
        "spec": {"resources": {"requests": {EVIL: EVIL, "cpu": EVIL}}},
        "status": {"schedulable": EVIL, "fittingNodes": EVIL, "message": EVIL},
    }
    assert_inert(printed(table(*tables.flavors([flavor], EVIL, wide=True))))
    user = {"metadata": {"name": EVIL}, "spec": {"username": EVIL}, "status": {"namespace": EVIL}}
    assert_inert(printed(table(*tables.users([user], NOW))))


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_hostile_devserver_is_inert_and_whole_in_machines_forms(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Terminal().machine(form, hostile())
    text = capsys.readouterr().out
    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert (json.loads(text) if form == "json" else yaml.safe_load(text)) == hostile()


def test_remarks_and_warnings_are_inert_and_not_data(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.say(EVIL)
    terminal.warn(EVIL)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert_inert(captured.err)
    assert "[red]x[/red]" in captured.err


def test_a_list_that_goes_to_a_pipe_is_not_cut_and_has_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a" * 500
    Terminal().table(["NAME", "B"], [[name, "b" * 500]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [name, "b" * 500]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (timedelta(hours=8), "█" * 30 + " 8h of 8h left"),
        (timedelta(hours=4), "█" * 15 + "░" * 15 + " 4h of 8h left"),
        (timedelta(seconds=1), "░" * 30 + " 1s of 8h left"),
        (timedelta(seconds=-5), "░" * 30 + " 0s of 8h left"),
    ],
)
def test_the_time_left_is_a_bar(left: timedelta, shown: str) -> None:
    created, expires = NOW + left - timedelta(hours=8), NOW + left
    assert tables.time_left(created.isoformat(), expires.isoformat(), NOW).plain == shown


def test_without_an_expiry_there_is_no_bar() -> None:
    assert tables.time_left("2030-01-01T00:00:00Z", None, NOW).plain == "no expiry"


def test_the_description_tells_what_a_user_asks() -> None:
    obj = hostile()
    obj["metadata"].update(name="box", namespace="dev-alice")
    obj["status"]["lastUpdate"] = {
        "time": "2030-01-02T11:58:30Z",
        "durationSeconds": 2.34,
        "changes": {"create": 2, "same": 3},
    }
    text = printed(describing.described(facts(obj), NOW))
    for said in (
        "6h of 8h left",
        "2 create, 3 same",
        "1m30s ago",
        "took 2.3 s",
        "Conditions",
        "Events",
        "Children",
    ):
        assert said in text
