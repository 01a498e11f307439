"""The command line: what a user does wrong ends with a message and an exit code, never with a traceback."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from devctl.app import main


@dataclass
class Machine:
    """A home directory, and a way to run devctl in it."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def run(self, *args: str) -> tuple[int, str]:
        """The exit code and standard error; standard output must be empty, for there is no data."""
        self.monkeypatch.setattr(sys, "argv", ["devctl", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self.capsys.readouterr()
        assert captured.out == ""
        assert "Traceback" not in captured.err
        code = ended.value.code
        return (code if isinstance(code, int) else 0), captured.err

    def file(self, name: str, content: str) -> str:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return str(path)


def kubeconfig(server: str, **user: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user or {"token": "t"}}],
            "contexts": [{"name": "ctx", "context": {"cluster": "c", "user": "u", "namespace": "dev-alice"}}],
            "current-context": "ctx",
        }
    )


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else takes meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> Machine:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "DEVCTL_CONFIG", "SSH_AUTH_SOCK", "DEVCTL_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = Machine(tmp_path, capsys, monkeypatch)
    made.file(
        "id.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHb2Yb0GxS1eFJyQkzg9LBnKMVx1mmO2lpMyMtF8g2cE a@b\n"
    )
    monkeypatch.setenv("KUBECONFIG", made.file("kube", kubeconfig(f"https://127.0.0.1:{closed_port}")))
    return made


# What devctl says before it asks any cluster: arguments, exit code, words of the message.
CASES: list[tuple[str, int, str]] = [
    ("frobnicate", 2, "No such command 'frobnicate'"),
    ("lst", 2, "No such command 'lst'"),
    ("list --frob", 2, "No such option: --frob"),
    ("list -o xml", 2, "'xml' is not one of table, wide, json, yaml, name"),
    ("describe", 2, "Missing argument"),
    ("describe Box", 2, "'Box' is not a valid DevServer name: metadata.name must consist of a-z"),
    ("describe ../../secrets/x", 2, "is not a valid DevServer name"),
    ("describe $(id)", 2, "is not a valid DevServer name"),
    ("delete", 2, "Missing argument"),
    ("delete box-ssh", 2, "must not end with -ssh"),
    ("extend box --by soon", 2, "'soon' is not a duration such as 8h, 1h30m or 45m"),
    ("extend box --by -4h", 2, "'-4h' is not a duration"),
    ("wait box --for coffee", 2, "--for 'coffee' is not one of ready, stopped, deleted"),
    ("wait box --timeout 5", 2, "'5' is not a duration"),
    ("logs box --tail many", 2, "--tail"),
    ("logs box --tail -1", 2, "--tail"),
    ("exec box", 2, "Missing argument"),
    ("exec --tty box -- sh", 2, "--tty needs a terminal, and this is not one"),
    ("cp one", 2, "Name a source and a target"),
    ("cp one two", 2, "One side must be in a DevServer (NAME:PATH)"),
    ("cp box:/a other:/b", 2, "Only one DevServer can be named, not box and other."),
    ("cp box:/a box:/b", 2, "One side must be local and the other in the DevServer"),
    ("cp Bad:/a here", 2, "is not a valid DevServer name"),
    ("create --key missing.pub", 2, "Cannot read the key missing.pub: No such file or directory"),
    ("create --key {home}/private", 2, "is a private key, which must stay with you"),
    ("create --key {home}", 2, "Is a directory"),
    ("create --timeout forever", 2, "'forever' is not a duration"),
    ("create", 2, "Found no SSH key: the agent has none, and ~/.ssh has no id_*.pub"),
    ("keys", 2, "Usage: devctl keys"),
    ("keys add box missing.pub", 2, "Cannot read the key missing.pub"),
    ("keys add box", 2, "Missing argument"),
    ("user add Alice", 2, "USER: "),
    ("user add alice --quota pods", 2, "--quota 'pods' must have the form RESOURCE=QUANTITY"),
    ("user kubeconfig alice --duration 1m", 2, "--duration must be between 10m and 168h"),
    ("config init", 2, "already exists"),
    ("--context", 2, "No such option: --context"),
    # What needs a cluster, and has none.
    ("list", 5, "https://127.0.0.1:{port} does not answer (context ctx): "),
    ("list --watch", 5, "does not answer"),
    ("flavors", 5, "does not answer"),
    ("describe box", 5, "does not answer"),
    ("delete box --yes", 5, "does not answer"),
    ("volumes list", 5, "does not answer"),
    ("user list", 5, "does not answer"),
    ("create --key {home}/id.pub", 5, "does not answer"),
    ("exec box -- id", 5, "does not answer"),
    ("ssh box", 5, "does not answer"),
    ("ssh-proxy box --timeout 1s", 5, "does not answer"),
    ("config ssh-include", 5, "does not answer"),
    ("list --context other", 5, "has no context other. Its contexts: ctx."),
    ("list --kubeconfig missing", 5, "Cannot use the kubeconfig missing: "),
    ("list --kubeconfig {home}/not-yaml", 5, "is not valid YAML"),
    ("list --kubeconfig {home}/not-kube", 5, "kubeconfig"),
    ("list --kubeconfig {home}/empty", 5, "kubeconfig"),
    ("list --kubeconfig {home}/no-name", 5, "does not answer"),
]


@pytest.mark.parametrize(("command", "code", "message"), CASES)
def test_an_error_of_a_user_is_a_message_and_an_exit_code(
    machine: Machine, closed_port: int, command: str, code: int, message: str
) -> None:
    machine.file("private", "-----BEGIN OPENSSH PRIVATE KEY-----\n")
    machine.file("not-yaml", "a: [")
    machine.file("not-kube", "just text")
    machine.file("empty", "")
    machine.file("no-name", kubeconfig("https://no-such-host.invalid"))
    if command == "config init":
        machine.file(".config/devctl/config.toml", "")
    args = [part.format(home=machine.home) if "{" in part else part for part in command.split(" ")]
    found, said = machine.run(*args)
    assert message.format(port=closed_port) in said
    assert found == code


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("flavour = 'small'", "unknown setting flavour (did you mean flavor?)"),
        ("image = '-rm'", "image: "),
        ("flavor", "is not valid TOML"),
    ],
)
def test_a_faulty_settings_file_stops_every_command(machine: Machine, content: str, message: str) -> None:
    file = machine.file(".config/devctl/config.toml", content)
    code, said = machine.run("list")
    assert code == 2
    assert file in said
    assert message in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["Box"], "NAME: metadata.name must consist of a-z"),
        (["a" * 60], "NAME: metadata.name must have at most 52 characters"),
        (["box", "--image", "-x"], "--image '-x': "),
        (["box", "--image", "a b"], "--image 'a b': "),
        (["box", "--image", "\x1b[31m"], "--image "),
        (["box", "--flavor", "Big"], "--flavor 'Big': "),
        (["box", "--ttl", "1d"], "--ttl '1d': invalid value, use for example 8h, 1h30m or 45m"),
        (["box", "--ttl", "5s"], "--ttl '5s': must be a duration"),
        (["box", "--home", "big"], "--home 'big': "),
        (["box", "--home", "0"], "--home '0': must be more than 0"),
        (["box", "--volume", "data"], "--volume 'data' must have the form PVC:/path"),
        (["box", "--volume", "data:/etc"], "--volume '/etc': must be an absolute path"),
        (["box", "--volume", "Data:/d"], "--volume 'Data': "),
        (
            ["box", "--volume", "a:/d", "--volume", "b:/d"],
            '--volume: two volumes on one path: ["a at /d", "b at /d"]',
        ),
        (["box", "--home", "1Gi", "--volume", "a:/home/dev"], "/home/dev is where spec.home is mounted"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_its_option(
    machine: Machine, options: list[str], message: str
) -> None:
    machine.file(".config/devctl/config.toml", 'owner = "alice"')
    code, said = machine.run("create", "--key", str(machine.home / "id.pub"), *options)
    assert code == 2
    assert message in said
    assert "\x1b" not in said


def test_an_error_that_nobody_foresaw_is_one_line_too(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import devctl.config

    def fail() -> None:
        raise RuntimeError("\x1b[31mboom")

    monkeypatch.setattr(devctl.config, "load", fail)
    code, said = machine.run("list")
    assert code == 1
    assert "Unexpected error: RuntimeError: \\x1b[31mboom (set DEVCTL_DEBUG=1 to see the traceback)" in said


def test_ctrl_c_ends_quietly(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import devctl.config

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(devctl.config, "load", interrupt)
    assert machine.run("list") == (130, "")


SLOW = ("cryptography", "kubernetes", "pydantic", "rich", "urllib3", "websocket", "yaml")


def test_the_command_line_loads_nothing_slow() -> None:
    """So that `--help` and completion are quick."""
    program = f"import sys, devctl.app; print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
