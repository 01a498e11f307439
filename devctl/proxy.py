"""`devctl ssh-proxy`: what ssh runs to reach a DevServer. Its standard output belongs to ssh."""

from devctl import hosts, login, tunnel
from devctl.client import DevServer

SSHD_PORT = 2222
_NOT_RESUMED = (
    "An SSH session cannot go on over another connection, and this one passed the API server, which restarts or cannot "
    "be reached. What you ran in tmux or screen goes on in {name}: log in again."
)


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
