"""`devctl ssh` and `devctl cp`: the user's own ssh client, with options for one DevServer."""

import os
import re
import shutil
from collections.abc import Sequence

from devctl.client import Client, DevServer
from devctl.errors import CannotStart, Misuse
from devctl.manifests import drafts
from devctl.operations import readiness
from devctl.ssh import hosts
from devctl.status.standing import Stage

_READY_TIMEOUT_S = 300.0


def log_in(
    server: DevServer, command: Sequence[str], *, start: bool = False, agent: bool | None = None
) -> None:
    """Become ssh. The command goes to the DevServer's shell, as ssh does it."""
    ssh = program("ssh")
    flags = prepared(server, start, agent)
    host = hosts.host_of(server)
    # Without the `--`, a command that begins with a dash would be ssh's options.
    os.execv(ssh, ["ssh", *flags, host.alias, *(["--", *command] if command else [])])  # noqa: S606 - no shell is wanted


def copy(client: Client, given: Sequence[str], start: bool) -> None:
    """Become scp, for files of one DevServer. Raises Misuse."""
    if len(given) < 2:
        raise Misuse("Name a source and a target: `devctl cp FILE NAME:PATH` or `devctl cp NAME:PATH FILE`.")
    names = {name for name in map(remote_name, given) if name is not None}
    if len(names) != 1:
        what = (
            f"Only one DevServer can be named, not {' and '.join(sorted(names))}."
            if names
            else "One side must be in a DevServer (NAME:PATH)."
        )
        raise Misuse(f"{what} Write ./FILE for a local file with a colon in its name.")
    if (remote_name(given[-1]) is None) == (remote_name(given[0]) is None):
        raise Misuse(
            "One side must be local and the other in the DevServer. To copy within it, use `devctl ssh NAME -- cp`."
        )
    server = DevServer.get(names.pop(), client=client)
    scp = program("scp")
    flags = prepared(server, start, None)
    alias = hosts.host_of(server).alias
    paths = [path if remote_name(path) is None else f"{alias}:{path.partition(':')[2]}" for path in given]
    os.execv(scp, ["scp", "-r", "-p", *flags, "--", *paths])  # noqa: S606 - no shell is wanted


def remote_name(text: str) -> str | None:
    """The DevServer in NAME:PATH; None for a path here."""
    name, colon, _ = text.partition(":")
    if not colon or not re.fullmatch(r"[^/.]+", name):
        return None
    drafts.check_name(name)
    return name


def prepared(server: DevServer, start: bool, agent: bool | None) -> list[str]:
    """ssh's flags, once one can log in. start: start the DevServer if it is stopped."""
    await_login(server, start)
    host = hosts.trust(server)
    options = hosts.options(host, server.client.session, agent=agent)
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def await_login(server: DevServer, start: bool, timeout_s: float = _READY_TIMEOUT_S) -> None:
    """Wait until one can log in. Raises CannotStart if it is stopped and must not be started."""
    if not server.is_running:
        if not start:
            raise CannotStart(
                f"{server.name} is stopped. Start it with `devctl start {server.name}`, or use --start."
            )
        server.start()
    if server.standing.stage is not Stage.READY:
        readiness.await_ready(server, server.client.session.terminal, timeout_s)


def program(name: str) -> str:
    """Path of a program of OpenSSH. Raises Misuse if it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise Misuse(f"There is no {name} on PATH. Install your system's OpenSSH client.")
    return found
