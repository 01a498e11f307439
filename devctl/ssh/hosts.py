"""What ssh has to know of a DevServer: its name, its host keys, and the options that go with them.

Host keys come from status.ssh.hostKeys, over the API server's own trusted connection, into a file for each DevServer.
They are checked strictly, always.
"""

import os
import re
import shlex
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from devctl import config, files
from devctl.client import DevServer
from devctl.errors import CannotStart, Misuse
from devctl.session import Session

_HOST_KEY = r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}"
# What ssh would take for something else in a path of its configuration.
_UNUSABLE_IN_PATHS = re.compile(r'["\\%$*?\[\]{}\x00-\x1f\x7f]')


@dataclass(frozen=True)
class Host:
    """A DevServer as ssh knows it. cluster: tells clusters apart that have DevServers of the same name."""

    name: str
    namespace: str
    cluster: str

    @property
    def alias(self) -> str:
        """The name that host keys are filed under."""
        return f"{self.name}.{self.namespace}"

    @property
    def known_hosts(self) -> Path:
        """The file of its host keys."""
        return config.directory("XDG_STATE_HOME", ".local/state") / "known_hosts" / self.cluster / self.alias


def host_of(server: DevServer) -> Host:
    """The host that a DevServer is."""
    return Host(server.name, server.namespace, cluster_id(server.client.api.target.server))


def cluster_id(server: str) -> str:
    """A short word for the API server of that URL."""
    return sha256(server.encode()).hexdigest()[:12]


def trust(server: DevServer) -> Host:
    """Write its host keys, and nothing else, where ssh looks for them. Raises CannotStart without any."""
    host = host_of(server)
    lines = server.status.ssh.host_keys if server.status.ssh else []
    text = "".join(f"{host.alias} {line}\n" for line in lines if re.fullmatch(_HOST_KEY, line))
    if not text:
        raise CannotStart(f"{server.name} has no host keys yet. See `devctl describe {server.name}`.")
    if server.client.session.config.ssh.share_connection:
        # ssh makes its socket there, but not the directory.
        _sockets().mkdir(mode=0o700, parents=True, exist_ok=True)
    if not host.known_hosts.exists() or host.known_hosts.read_text() != text:
        files.replace(host.known_hosts, text)
    return host


def options(
    host: Host, session: Session, *, start: bool = False, agent: bool | None = None
) -> dict[str, str]:
    """ssh's options for the DevServer, as they stand in a configuration file."""
    settings = session.config.ssh
    identity = _identity(session)
    forward = settings.forward_agent if agent is None else agent
    found = {
        "HostName": host.alias,
        "User": "dev",
        "HostKeyAlias": host.alias,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": quoted(host.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "CanonicalizeHostname": "no",
        "ProxyCommand": proxy_command(host, session, start),
        "ForwardAgent": "yes" if forward else "no",
        # So that a dead connection is noticed within a minute, and nothing in between takes a silent one for dead.
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }
    if identity is not None:
        found["IdentityFile"] = quoted(identity)
    if settings.share_connection:
        found |= {
            "ControlMaster": "auto",
            "ControlPersist": "60",
            "ControlPath": f'"{checked(_sockets())}/%C"',
        }
    return found


def _sockets() -> Path:
    """Of shared connections. The path of a socket may have 107 characters, of which ssh takes about 60."""
    return config.directory("XDG_RUNTIME_DIR", ".ssh")


def _identity(session: Session) -> Path | None:
    """The private key beside the public one of the settings, for ssh may not find it by itself."""
    named = session.config.key
    if not named or not named.endswith(".pub"):
        return None
    private = Path(named).expanduser().with_suffix("")
    return private if private.is_file() else None


def proxy_command(host: Host, session: Session, start: bool) -> str:
    """The command that ssh gives to the user's shell: each part quoted, with ssh's own `%` doubled."""
    parts = [sys.executable, "-m", "devctl", "ssh-proxy", f"--namespace={host.namespace}"]
    kubeconfig = session.kubeconfig or os.environ.get("KUBECONFIG")
    if kubeconfig:
        # Wherever ssh is called from.
        files = [str(Path(file).expanduser().absolute()) for file in kubeconfig.split(os.pathsep) if file]
        parts.append(f"--kubeconfig={os.pathsep.join(files)}")
    if session.api.target.context:
        parts.append(f"--context={session.api.target.context}")
    if start:
        parts.append("--start")
    command = shlex.join([*parts, host.name]).replace("%", "%%")
    if not command.isprintable():
        raise Misuse(
            "The path of the kubeconfig or the name of its context has characters that ssh cannot take."
        )
    return command


def quoted(path: Path) -> str:
    """The path as ssh's configuration takes it."""
    return f'"{checked(path)}"'


def checked(path: Path) -> Path:
    """The path, if ssh's configuration can hold it. Raises Misuse."""
    if _UNUSABLE_IN_PATHS.search(str(path)):
        raise Misuse(f"ssh cannot take the path {str(path)!r}: it has characters with a meaning to ssh.")
    return path
