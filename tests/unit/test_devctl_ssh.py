"""What devctl tells ssh: host keys, options, files."""

import os
import shlex
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devctl import config, hosts, sshconfig
from devctl.client import Client, DevServer
from devctl.config import Config, SshConfig
from devctl.errors import CannotStart, Misuse
from devctl.login import _remote_name
from devctl.session import Session

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "KUBECONFIG", "DEVCTL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def client(settings: Config | None = None, servers: tuple[str, ...] = (), context: str = "work") -> Client:
    """A client of a cluster that has these DevServers and is asked for nothing else."""
    session = Session(settings or Config(), None, None, "dev-alice", "table")
    objects = [server_object(name) for name in servers]
    session.__dict__["api"] = SimpleNamespace(
        target=SimpleNamespace(context=context, server="https://10.0.0.1:6443", namespace="dev-alice"),
        list_all=lambda resource, namespace: objects,
    )
    return Client(session)


def server_object(name: str, host_keys: tuple[str, ...] = (KEY,)) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "dev-alice", "uid": "u"},
        "spec": {},
        "status": {"ssh": {"service": f"{name}-ssh", "port": 22, "hostKeys": list(host_keys)}},
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_host_keys_of_the_status_are_all_that_is_trusted_and_private_files() -> None:
    host = hosts.trust(DevServer(client(), server_object("box", (KEY, "ecdsa-sha2-nistp256 BBBB="))))
    assert host.known_hosts.read_text() == f"box.dev-alice {KEY}\nbox.dev-alice ecdsa-sha2-nistp256 BBBB=\n"
    assert mode(host.known_hosts) == 0o600
    assert mode(host.known_hosts.parent) == 0o700
    hosts.trust(DevServer(client(), server_object("box", ("ssh-ed25519 CCCC",))))
    assert host.known_hosts.read_text() == "box.dev-alice ssh-ed25519 CCCC\n"


@pytest.mark.parametrize(
    "line",
    [
        "ssh-ed25519 AAAA\n* ssh-ed25519 EVIL",
        "@cert-authority * ssh-ed25519 EVIL",
        "ssh-ed25519 AA AA",
        "",
        "* x",
    ],
)
def test_a_host_key_that_is_none_is_never_written(line: str) -> None:
    with pytest.raises(CannotStart, match="no host keys yet"):
        hosts.trust(DevServer(client(), server_object("box", (line,))))
    host = hosts.trust(DevServer(client(), server_object("box", (line, KEY))))
    assert host.known_hosts.read_text() == f"box.dev-alice {KEY}\n"


def test_the_same_name_in_another_cluster_has_a_file_of_its_own() -> None:
    one, other = client(), client()
    other.session.api.target.server = "https://10.0.0.2:6443"  # type: ignore[misc]
    files = {hosts.host_of(DevServer(each, server_object("box"))).known_hosts for each in (one, other)}
    assert len(files) == 2


def test_host_keys_are_always_checked_and_the_agent_is_forwarded_by_choice_only() -> None:
    server = DevServer(client(), server_object("box"))
    options = hosts.options(hosts.host_of(server), server.client.session)
    assert options["StrictHostKeyChecking"] == "yes"
    assert options["GlobalKnownHostsFile"] == "/dev/null"
    assert options["ForwardAgent"] == "no"
    assert hosts.options(hosts.host_of(server), server.client.session, agent=True)["ForwardAgent"] == "yes"
    wanting = client(Config(ssh=SshConfig(forward_agent=True, share_connection=True)))
    options = hosts.options(hosts.host_of(server), wanting.session)
    assert options["ForwardAgent"] == "yes"
    assert options["ControlMaster"] == "auto"
    assert hosts.options(hosts.host_of(server), wanting.session, agent=False)["ForwardAgent"] == "no"


def test_the_proxy_command_survives_a_shell_whatever_the_context_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/tmp/a b$(touch x)/config")
    server = DevServer(client(context="it's 100% `mine`; rm -rf /"), server_object("box"))
    command = hosts.proxy_command(hosts.host_of(server), server.client.session, start=True)
    # ssh replaces %% by %, then the shell splits.
    assert shlex.split(command.replace("%%", "%"))[1:] == [
        "-m",
        "devctl",
        "ssh-proxy",
        "--namespace=dev-alice",
        "--kubeconfig=/tmp/a b$(touch x)/config",
        "--context=it's 100% `mine`; rm -rf /",
        "--start",
        "box",
    ]


def test_a_context_of_two_lines_cannot_be_given_to_ssh() -> None:
    server = DevServer(client(context="a\nHost *"), server_object("box"))
    with pytest.raises(Misuse, match="characters that ssh cannot take"):
        hosts.proxy_command(hosts.host_of(server), server.client.session, start=False)


def test_a_private_key_beside_the_public_one_of_the_settings_is_used(home: Path) -> None:
    (home / "work key").touch()
    server = DevServer(client(Config(key="~/work key.pub")), server_object("box"))
    assert hosts.options(hosts.host_of(server), server.client.session)["IdentityFile"] == f'"{home}/work key"'


# --- the Include file -------------------------------------------------------------------------------------------------


def test_nothing_is_written_before_it_was_shown(home: Path) -> None:
    changes = sshconfig.changes(client(servers=("box",)))
    assert [change.file.name for change in changes][1] == "config"
    assert "+Host box box.dev-alice" in changes[0].diff
    assert not (home / ".ssh").exists()
    assert not (home / ".config").exists()


def test_the_include_goes_ahead_of_what_is_there_once_and_keeps_modes_and_links(home: Path) -> None:
    (home / ".ssh").mkdir(mode=0o700)
    real = home / "dotfiles-config"
    real.write_text("Host other\n    User me\n")
    real.chmod(0o640)
    (home / ".ssh/config").symlink_to(real)
    mine = client(servers=("box",))
    sshconfig.apply(sshconfig.changes(mine))
    assert real.read_text() == f'Include "{home}/.config/devctl/ssh/*.conf"\n\nHost other\n    User me\n'
    assert mode(real) == 0o640
    assert (home / ".ssh/config").is_symlink()
    assert sshconfig.changes(mine) == []
    (own,) = (home / ".config/devctl/ssh").iterdir()
    assert mode(own) == 0o600


def test_without_a_configuration_one_is_made_that_only_the_user_reads(home: Path) -> None:
    sshconfig.apply(sshconfig.changes(client(servers=("box",))))
    assert mode(home / ".ssh") == 0o700
    assert mode(home / ".ssh/config") == 0o600


def test_names_that_are_no_names_never_reach_ssh(home: Path) -> None:
    text = sshconfig.rendered(client(servers=("good", "*", "x\nHost *", "$(id)", "-oProxyCommand=x")))
    assert [line for line in text.splitlines() if line.startswith("Host")] == ["Host good good.dev-alice"]


def test_a_prefix_goes_before_names() -> None:
    text = sshconfig.rendered(client(Config(ssh=SshConfig(host_prefix="ds-")), servers=("box",)))
    assert "Host ds-box box.dev-alice\n" in text


def test_refreshing_does_nothing_for_those_who_have_no_include_file(home: Path) -> None:
    sshconfig.refresh(client(servers=("box",)))
    assert list(home.iterdir()) == []


def test_a_home_that_ssh_cannot_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "a*b"))
    with pytest.raises(Misuse, match="characters that mean something to ssh"):
        sshconfig.changes(client(servers=("box",)))


def test_an_interrupted_write_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        hosts.replace(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("box:/tmp/x", "box"),
        ("box:", "box"),
        ("./a:b", None),
        ("/a:b", None),
        ("file", None),
        ("../a:b", None),
    ],
)
def test_what_is_there_and_what_is_here_is_told_apart_as_scp_does(text: str, name: str | None) -> None:
    assert _remote_name(text) == name


def test_the_directories_are_the_xdg_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert config.directory("XDG_STATE_HOME", ".local/state") == Path("/state/devctl")
