"""The user's SSH configuration: a file of devctl's own for each namespace, and one Include line in ~/.ssh/config.

With it `ssh NAME`, scp, rsync and VS Code Remote-SSH reach DevServers. No pattern takes names in that devctl does not
know: ssh would hand them to a shell.
"""

import difflib
import stat
from dataclasses import dataclass
from pathlib import Path

from devctl import config, files
from devctl.client import Client, DevServer
from devctl.errors import DevctlError, Misuse
from devctl.manifests import drafts
from devctl.ssh import hosts
from devctl.terminal.output import Terminal
from devctl.text import inert_lines

_HEAD = "# Written by `devctl config ssh-include`. `devctl create` and `devctl delete` keep it up to date.\n"


@dataclass(frozen=True)
class Change:
    """A file as it is (None: it is not there) and as it should be."""

    file: Path
    before: str | None
    after: str

    @property
    def diff(self) -> str:
        """In the form of `diff -u`; empty if nothing changes."""
        lines = difflib.unified_diff(
            (self.before or "").splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            str(self.file) if self.before is not None else "/dev/null",
            str(self.file),
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def directory() -> Path:
    """Where the files of the namespaces are."""
    return config.directory("XDG_CONFIG_HOME", ".config") / "ssh"


def main_file() -> Path:
    """The user's own configuration; where it is a link, what it leads to."""
    return (Path.home() / ".ssh" / "config").resolve()


def changes(client: Client) -> list[Change]:
    """What has to be written so that ssh knows the DevServers of the namespace."""
    own = _namespace_file(client)
    found = [Change(own, _content(own), rendered(client)), _with_include()]
    return [change for change in found if change.before != change.after]


def apply(found: list[Change]) -> None:
    """Write the files. The modes of those that are there stay. Raises Misuse if one cannot be written."""
    for change in found:
        try:
            mode = stat.S_IMODE(change.file.stat().st_mode) if change.before is not None else 0o600
            files.replace(change.file, change.after, mode)
        except OSError as error:
            raise Misuse(f"Cannot write {change.file}: {error.strerror or error}") from error


def refresh(client: Client) -> None:
    """Bring the namespace's file up to date, if there is one. A remark if that fails: the command itself did not."""
    file = _namespace_file(client)
    if not file.exists():
        return
    try:
        apply([Change(file, _content(file), rendered(client))])
    except DevctlError as error:
        client.session.terminal.warn(f"{file} is not up to date: {error.message}")


def show(found: list[Change], terminal: Terminal) -> None:
    """Print what would change."""
    for change in found:
        terminal.data(inert_lines(change.diff).rstrip("\n"))


def rendered(client: Client) -> str:
    """The namespace's file."""
    return _HEAD + "".join(_entry(server) for server in client.list() if _is_usable(server))


def _is_usable(server: DevServer) -> bool:
    try:
        drafts.check_name(server.name)
    except Misuse:
        return False
    return True


def _entry(server: DevServer) -> str:
    session = server.client.session
    host = hosts.host_of(server)
    names = f"{session.config.ssh.host_prefix}{host.name} {host.alias}"
    options = hosts.options(host, session)
    return f"\nHost {names}\n" + "".join(f"    {name} {value}\n" for name, value in options.items())


def _namespace_file(client: Client) -> Path:
    target = client.api.target
    return directory() / f"{client.namespace}.{hosts.cluster_id(target.server)}.conf"


def _with_include() -> Change:
    file = main_file()
    before = _content(file)
    line = f'Include "{hosts.checked(directory())}/*.conf"\n'
    text = before or ""
    # Ahead of all else: after a Host line it would be a part of that.
    after = text if line.strip() in map(str.strip, text.splitlines()) else f"{line}\n{text}" if text else line
    return Change(file, before, after)


def _content(file: Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"Cannot read {file}: {error}") from error
