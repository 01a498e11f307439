"""`devctl ssh-proxy`: what ssh runs to reach a DevServer. Its standard output belongs to ssh."""

import time

from devctl.client import Client, DevServer
from devctl.errors import Forbidden, NoAnswer
from devctl.ssh import hosts, login, tunnel

SSHD_PORT = 2222
_RETRY_S = 0.5
_NOT_RESUMED = (
    "This SSH session ended because its connection through the API server broke. What you ran in tmux or screen keeps "
    "running in {name}. Log in again."
)


def found(client: Client, name: str, timeout_s: float) -> DevServer:
    """The DevServer. An API server that is away is waited for, for timeout_s. Raises NotFound, NoAnswer."""
    deadline = time.monotonic() + timeout_s
    is_told = False
    while True:
        try:
            return DevServer.get(name, client=client)
        except (NoAnswer, Forbidden) as error:
            # An API server that has just started does not know anybody's rights yet.
            is_away = isinstance(error, NoAnswer) or not client.api.is_ready()
            if not is_away or time.monotonic() > deadline:
                raise
            if not is_told:
                client.session.terminal.say(f"{error.message} (trying again for {timeout_s:g} s)")
            is_told = True
            time.sleep(_RETRY_S)


def carry(server: DevServer, start: bool, timeout_s: float) -> None:
    """Connect standard input and output with its sshd."""
    login.await_login(server, start, timeout_s)
    # Before ssh looks at them, which it does once sshd has spoken.
    hosts.trust(server)
    terminal = server.client.session.terminal
    try:
        tunnel.connect(server.client.api, server.namespace, server.pod, SSHD_PORT, timeout_s)
    except tunnel.Broken as error:
        terminal.warn(_NOT_RESUMED.format(name=server.name))
        raise error
