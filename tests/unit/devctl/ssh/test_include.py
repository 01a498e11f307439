"""The Include file and the line for it."""

from pathlib import Path

import pytest

from devctl.config import Config, SshConfig
from devctl.errors import Misuse
from devctl.ssh import include
from tests.unit.devctl.ssh.cluster import client, mode


def test_nothing_is_written_before_it_was_shown(home: Path) -> None:
    changes = include.changes(client(servers=("box",)))
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
    include.apply(include.changes(mine))
    assert real.read_text() == f'Include "{home}/.config/devctl/ssh/*.conf"\n\nHost other\n    User me\n'
    assert mode(real) == 0o640
    assert (home / ".ssh/config").is_symlink()
    assert include.changes(mine) == []
    (own,) = (home / ".config/devctl/ssh").iterdir()
    assert mode(own) == 0o600


def test_without_a_configuration_one_is_made_that_only_the_user_reads(home: Path) -> None:
    include.apply(include.changes(client(servers=("box",))))
    assert mode(home / ".ssh") == 0o700
    assert mode(home / ".ssh/config") == 0o600


def test_names_that_are_no_names_never_reach_ssh(home: Path) -> None:
    text = include.rendered(client(servers=("good", "*", "x\nHost *", "$(id)", "-oProxyCommand=x")))
    assert [line for line in text.splitlines() if line.startswith("Host")] == ["Host good good.dev-alice"]


def test_a_prefix_goes_before_names() -> None:
    text = include.rendered(client(Config(ssh=SshConfig(host_prefix="ds-")), servers=("box",)))
    assert "Host ds-box box.dev-alice\n" in text


def test_refreshing_does_nothing_for_those_who_have_no_include_file(home: Path) -> None:
    include.refresh(client(servers=("box",)))
    assert list(home.iterdir()) == []


def test_a_home_that_ssh_cannot_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "a*b"))
    with pytest.raises(Misuse, match="characters with a meaning to ssh"):
        include.changes(client(servers=("box",)))
