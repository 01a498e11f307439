"""devctl's settings."""

import re
import tomllib
from pathlib import Path

import pytest

from devctl import config
from devctl.config import Config, SshConfig
from devctl.errors import Misuse

ROOT = Path(__file__).parents[3]


def test_without_a_file_all_is_as_documented(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("DEVCTL_CONFIG", raising=False)
    assert config.load() == Config()


def test_the_file_is_at_the_xdg_place_or_where_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DEVCTL_CONFIG", raising=False)
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert config.path() == Path("/x/devctl/config.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert config.path() == Path("/home/u/.config/devctl/config.toml")
    monkeypatch.setenv("DEVCTL_CONFIG", "~/mine.toml")
    assert config.path() == Path("/home/u/mine.toml")


def test_every_setting_is_read() -> None:
    text = """
        context = "work"
        namespace = "dev-alice"
        output = "wide"
        owner = "alice@example.com"
        image = "local/debian:bookworm"
        flavor = "small"
        time_to_live = "1h30m"
        home = "10Gi"
        key = "~/.ssh/id.pub"
        [ssh]
        forward_agent = true
        host_prefix = "dev-"
        share_connection = true
    """
    read = config.parse(text, "f")
    assert set(read.model_fields_set) == set(Config.model_fields)
    assert read.ssh.model_fields_set == set(SshConfig.model_fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flavour = 'x'", r"f: unknown setting flavour \(did you mean flavor\?\)"),
        (
            "[ssh]\nforward_agents = true",
            r"unknown setting ssh.forward_agents \(did you mean forward_agent\?\)",
        ),
        ("zzz = 1", r"unknown setting zzz$"),
        ("output = 'xml'", "output: Input should be 'table', 'wide', 'json', 'yaml' or 'name'"),
        ("image = '-rm'", "image: String should match"),
        ("image = 5", "image: Input should be a valid string"),
        ("time_to_live = '8 hours'", "time_to_live: "),
        ("time_to_live = '5s'", "time_to_live: must be a duration such as 8h"),
        ("home = '0'", "home: must be more than 0"),
        ("owner = 'a b'", "owner: String should match"),
        ("flavor = 'Big'", "flavor: String should match"),
        ("[ssh]\nhost_prefix = 'a b'", "ssh.host_prefix: String should match"),
        ("[ssh]\nforward_agent = 'yes'", "ssh.forward_agent: Input should be a valid boolean"),
        ("flavor = ", "f is not valid TOML"),
    ],
)
def test_a_fault_of_the_file_names_the_setting_and_the_fix(text: str, message: str) -> None:
    with pytest.raises(Misuse, match=message):
        config.parse(text, "f")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Misuse, match=r"flavour.*; .*imagee"):
        config.parse("flavour = 'x'\nimagee = 'y'", "f")


def test_the_template_is_valid_with_and_without_its_comment_signs() -> None:
    text = config.template()
    assert config.parse(text, "f") == Config()
    active = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    assert set(tomllib.loads(active)) == set(Config.model_fields)
    assert config.parse(active, "f").image == Config().image


def test_every_setting_is_documented_with_its_default() -> None:
    document = (ROOT / "docs/devctl.md").read_text().partition("## Settings")[2]
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|", document, flags=re.MULTILINE))
    plain = {name: field.default for name, field in Config.model_fields.items() if name != "ssh"}
    of_ssh = {f"ssh.{name}": field.default for name, field in SshConfig.model_fields.items()}
    wanted = plain | of_ssh
    assert set(rows) == set(wanted)
    for name, default in wanted.items():
        shown = "none" if default in (None, "") else f"`{str(default).lower()}`"
        assert rows[name] == shown


def test_the_directories_are_the_xdg_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert config.directory("XDG_STATE_HOME", ".local/state") == Path("/state/devctl")
