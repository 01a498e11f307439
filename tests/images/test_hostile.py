"""DevServers that are hostile and valid, in a real container: nothing of them is executed, misplaced or printed raw."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks.devserver import program as devserver
from tests import builders
from tests.builders import HOST_KEYS
from tests.case_files import cases
from tests.declared import declared
from tests.images.container import Container

pytestmark = pytest.mark.images

NewContainer = Callable[[str], Container]

# What a session has of its own, and what its shell makes its own.
OF_THE_SESSION = {"HOME", "PATH", "SSH_CONNECTION", "_", "IFS", "PWD", "SHLVL"}
# As Kubernetes allows it to an owner: no more than a name.
OWNER = "owned/../../tmp/owned#=@:owned"
MARK = "owned"
# A variable PATH among them names no directory that has anything.
BUSYBOX = "/opt/devserver/bin/busybox"
PAYLOADS = [
    f"$(touch /tmp/{MARK})",
    f"`touch /tmp/{MARK}`",
    f"'; touch /tmp/{MARK}; '",
    f'"; touch /tmp/{MARK}; "',
    f"\\$(touch /tmp/{MARK})",
    f'x" "PermitUserEnvironment=yes" "A=`touch /tmp/{MARK}`',
    f"() {{ :; }}; touch /tmp/{MARK}",
    f"| touch /tmp/{MARK} & touch /tmp/{MARK} && touch /tmp/{MARK} # > /tmp/{MARK}",
    "\\n\\x1b[2J\\0 \\",
    "%s%n%x %h %u %%",
    "\u202e \x9b2J \x85 \u2028 \U0001f642",
    "$$ $$(HOME) ${HOME:-$(id)} ~ * ? [a-z]",
    "'",
    '"',
    "\\",
]


def environment_of_the_cases() -> dict[str, str]:
    """Every variable of the valid cases; those that have one name in many of them get numbers."""
    found: dict[str, str] = {}
    for number, case in enumerate(cases("valid")):
        for item in case.documents[-1]["spec"].get("env") or []:
            name, value = item["name"], item.get("value") or ""
            found[name if name not in ("A", "B") else f"{name}_{number}"] = value
    return found


ENVIRONMENT = environment_of_the_cases() | {f"PAYLOAD_{i}": text for i, text in enumerate(PAYLOADS)}


def start(container: Container, **spec: Any) -> None:
    """Start it with what the program of such a DevServer makes, as kubelet hands it on."""
    inputs = builders.devserver_inputs(spec=spec, flavor_name="cpu-small", expires_at="2030-01-01T08:00:00Z")
    made = declared(devserver.program(inputs, HOST_KEYS))
    (pod,) = made["workload"].manifest["spec"]["template"]["spec"]["containers"]
    container.publish(
        keys=container.key.with_suffix(".pub").read_text(), motd=made["sshd"].manifest["data"]["motd"]
    )
    container.start({item["name"]: item["value"].replace("$$", "$") for item in pod.get("env", [])})


def in_specs(environment: dict[str, str]) -> list[dict[str, Any]]:
    """The variables as lists of a spec, which holds 64 at most."""
    items = [{"name": name, "value": value} for name, value in environment.items()]
    return [{"env": items[begin : begin + 64], "owner": OWNER} for begin in range(0, len(items), 64)]


def environment_of_a_session(container: Container) -> dict[str, bytes]:
    command = ["ssh", *container.options(), "-p", "2222", "dev@127.0.0.1", f"{BUSYBOX} env"]
    lines = container.run(command).stdout.split(b"\n")
    return {os.fsdecode(name): value for name, _, value in (line.partition(b"=") for line in lines)}


def files(container: Container) -> set[str]:
    """What the container has written, and where."""
    return {str(path.relative_to(container.upper)) for path in container.upper.rglob("*")}


def assert_plain(log: Path) -> None:
    """The log is lines of what any terminal shows as it is."""
    # sshd ends its lines as terminals want it.
    text = log.read_bytes().replace(b"\r\n", b"\n")
    assert text
    assert [line for line in text.split(b"\n") if not line.isascii() or not line.decode().isprintable()] == []


@pytest.mark.parametrize("image", ["debian", "busybox"])
def test_values_arrive_unharmed_and_leave_no_trace_elsewhere(new_container: NewContainer, image: str) -> None:
    plain = new_container(image)
    start(plain, owner="ada")
    plain.ssh("true")
    for spec in in_specs(ENVIRONMENT):
        container = new_container(image)
        start(container, **spec)
        got = environment_of_a_session(container)
        for item in spec["env"]:
            if item["name"] not in OF_THE_SESSION:
                assert got.get(item["name"]) == os.fsencode(item["value"]), item["name"]
        assert files(container) == files(plain)
        assert_plain(container.log)
        assert container.ssh(f"{BUSYBOX} id -u; doas {BUSYBOX} id -u") == "1000\n0"


def test_a_variable_that_sessions_cannot_have_is_named_plainly(new_container: NewContainer) -> None:
    """An image may hold in its environment what no spec may."""
    plain = new_container("busybox")
    plain.start()
    container = new_container("busybox")
    container.start(
        {
            f"A\x1b]0;{MARK}\x07": "x",
            b"B\xff\x9b2J".decode(errors="surrogateescape"): "x",
            "C\u202e": "x",
            "D\rstartup: all is well": "x",
            f"E$(touch /tmp/{MARK})": "x",
            "F": f"x\n$(touch /tmp/{MARK})\nSetEnv G=1\x1b[2J",
            "H" * 5000: "x\n",
        }
    )
    assert environment_of_a_session(container).keys() == environment_of_a_session(plain).keys()
    assert_plain(container.log)
    assert container.log.read_text().count("sessions do not get the variable") == 7
    assert files(container) == files(plain)


def test_a_hostile_owner_is_a_line_of_the_motd_and_no_more(new_container: NewContainer) -> None:
    container = new_container("debian")
    start(container, owner=OWNER)
    login = ["ssh", *container.options(), "-tt", "-p", "2222", "dev@127.0.0.1"]
    shown = container.run(login, stdin=b"exit\n").stdout.decode()
    assert f"owner    {OWNER}\r\n" in shown
    assert not [file for file in files(container) if MARK in file]
    assert_plain(container.log)
