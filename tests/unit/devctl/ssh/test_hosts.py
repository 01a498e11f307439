"""What devctl tells ssh: host keys and options."""

import shlex
from pathlib import Path

import pytest

from devctl.client import DevServer
from devctl.config import Config, SshConfig
from devctl.errors import CannotStart, Misuse
from devctl.ssh import hosts
from tests.unit.devctl.ssh.cluster import KEY, client, mode, server_object


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
