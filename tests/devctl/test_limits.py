"""Errors that only a cluster can make, hostile objects, many of them, and how quick it is."""

import io
import json
import re
import sys
import time
from collections.abc import Iterator

import pytest

from devctl.app import main
from tests.devctl.conftest import NAMESPACE, Person, ended
from tests.e2e.kube import Kube
from tests.patience import generous

pytestmark = pytest.mark.cluster

MANY = 200
# Promised; the bench measures it.
LIST_S, HELP_S = 1.0, 0.3
EVIL = "\x1b]0;owned\x07\x1b[2J\u202e[red]x[/red]\r\n"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("describe nobody", 3, "There is no DevServer nobody in dev-alice"),
        ("delete nobody --yes", 3, "There is no DevServer nobody"),
        ("ssh nobody", 3, "There is no DevServer nobody"),
        ("exec nobody -- id", 3, "There is no DevServer nobody"),
        ("extend nobody --by 1h", 3, "There is no DevServer nobody"),
        ("wait nobody", 3, "There is no DevServer nobody"),
        ("create box", 7, "DevServer box in dev-alice already exists"),
        ("volumes delete nothing --yes", 3, "There is no volume nothing in dev-alice"),
        ("list -A", 4, "You do not have this right: "),
        ("list -n kube-system", 4, "You do not have this right: "),
        ("create other -n default", 4, "You do not have this right: "),
        ("user list", 4, "You do not have this right: "),
        ("user add mallory", 4, "You do not have this right: "),
        ("user kubeconfig alice", 4, "You do not have this right: "),
        ("logs box -c other", 7, "container other is not valid for pod box-0"),
        ("keys remove box nothing", 2, "No key matches 'nothing'"),
        ("wait box --for stopped --timeout 1s", 6, "box has not stopped after 1 s"),
        ("delete box", 2, "there is no terminal to confirm it on. Use --yes."),
    ],
)
def test_what_the_cluster_refuses_is_a_message_and_an_exit_code(
    alice: Person,
    box: str,
    command: str,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In this process, which has loaded already what takes long.
    for variable, value in alice.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "argv", ["devctl", *command.split()])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert message in err
    assert (ended.value.code, out) == (code, "")


def test_a_question_is_asked_at_a_terminal_and_no_is_the_answer_by_default(
    alice: Person, box: str, bound: Kube
) -> None:
    shell = alice.terminal(*alice.devctl_command("delete", box))
    shell.expect(r"Delete box in dev-alice\? \[y/N\] ")
    shell.sendline("")
    shell.expect("Nothing was deleted")
    assert ended(shell) == 2
    assert "deletionTimestamp" not in (bound.get("dvs", box) or {})["metadata"]


def test_hostile_events_and_statuses_are_printed_inert(alice: Person, bound: Kube, box: str) -> None:
    uid = (bound.get("dvs", box) or {})["metadata"]["uid"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "evil-", "namespace": NAMESPACE},
        "involvedObject": {"kind": "DevServer", "name": box, "namespace": NAMESPACE, "uid": uid},
        "reason": EVIL,
        "message": EVIL,
        "type": "Warning",
        "lastTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    bound("create", "-f", "-", stdin=json.dumps(event))
    for command in (("describe", box), ("describe", box, "-o", "yaml"), ("list",)):
        text = alice.devctl(*command)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\\x1b]0;owned\\x07" in alice.devctl("describe", box)
    shell = alice.terminal(*alice.devctl_command("describe", box))
    assert ended(shell) == 0
    assert "owned" in (shell.before or "")
    assert "\x1b]0;owned" not in (shell.before or "")
    assert "\x1b[2J" not in (shell.before or "")


@pytest.fixture(scope="module")
def many(alice: Person, kube: Kube) -> Iterator[str]:
    """A namespace with many DevServers, for which no run is needed: their flavor is not there."""
    namespace = f"many-{time.time_ns():x}"
    kube("create", "namespace", namespace)
    template = json.loads(alice.devctl("create", "x", "--flavor", "not-there", "--dry-run", "-o", "json"))
    items = []
    for number in range(MANY):
        metadata = {"name": f"box-{number}", "namespace": namespace}
        items.append({**template, "metadata": metadata})
    kube(
        "create",
        "-n",
        namespace,
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}),
    )
    yield namespace
    kube("delete", "devservers", "--all", "-n", namespace, "--wait=false")
    kube("delete", "namespace", namespace, "--wait=false")


def timed(person: Person, *args: str) -> tuple[float, str]:
    """The seconds that devctl takes, and what it prints."""
    begun = time.monotonic()
    printed = person.devctl(*args)
    return time.monotonic() - begun, printed


def test_two_hundred_devservers_are_listed_soon(admin: Person, many: str) -> None:
    took_s, printed = timed(admin, "list", "-n", many)
    assert len(printed.splitlines()) == MANY + 1
    assert took_s < generous(LIST_S)


def test_help_is_there_soon(admin: Person) -> None:
    assert timed(admin, "--help")[0] < generous(HELP_S)


def test_the_live_list_shows_what_changes(admin: Person, alice: Person, name: str, box: str) -> None:
    screen = alice.terminal(*alice.devctl_command("list", "--watch"))
    screen.expect("Running")
    alice.devctl("create", name, "--flavor", "not-there")
    screen.expect(name)
    alice.devctl("delete", name, "--yes", "--no-wait")
    screen.sendcontrol("c")
    assert ended(screen) == 130


def test_into_a_pipe_the_live_list_is_a_line_for_each_change(alice: Person, name: str) -> None:
    with alice.started(*alice.devctl_command("list", "-w", "-o", "json")) as watch:
        assert watch.stdout is not None
        lines = map(json.loads, watch.stdout)
        assert next(lines)["type"] == "ADDED"
        alice.devctl("create", name, "--flavor", "not-there")
        alice.devctl("delete", name, "--yes")
        changes = (event["type"] for event in lines if event["object"]["metadata"]["name"] == name)
        assert next(changes) == "ADDED"
        assert "DELETED" in changes
