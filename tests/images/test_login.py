"""What somebody who logs in can expect, whatever the image."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.images.container import Container

pytestmark = pytest.mark.images

NewContainer = Callable[[str], Container]


@pytest.fixture
def agent(workdir: Path, key: Path) -> Iterator[Path]:
    """The socket of an ssh agent that holds the user's key."""
    socket = workdir / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    while not socket.exists():
        assert process.poll() is None
    subprocess.run(["ssh-add", "-q", key], env={"SSH_AUTH_SOCK": str(socket)}, check=True)
    yield socket
    process.terminate()
    process.wait()
    socket.unlink(missing_ok=True)


def test_dev_has_id_1000_a_home_and_a_shell(started: Container) -> None:
    assert started.ssh("id -un; id -u; id -g; pwd; echo $HOME") == "dev\n1000\n1000\n/home/dev\n/home/dev"
    assert started.ssh("touch ~/mine && ls ~") == "mine"
    assert started.ssh("test -x $SHELL && $SHELL -c 'echo works'") == "works"
    assert started.ssh("echo text >/tmp/anyone && cat /tmp/anyone") == "text"


def test_root_is_one_word_away(started: Container) -> None:
    ways = (
        "doas",
        "doas -n",
        "sudo",
        "sudo -E -n --",
        "sudo -u root",
        "sudo -nHu root",
        "sudo -Euroot -p ''",
        "sudo --user=#0 --preserve-env=HOME",
        "sudo -i",
        "sudo -sH",
        "sudo user=evil tools=/evil",
    )
    assert started.ssh("; ".join(f"{way} id -u" for way in ways)) == "\n".join("0" * len(ways))
    shells = "; ".join(f"echo id -u | sudo {options}" for options in ("-s", "-i", "-ni"))
    assert started.ssh(shells) == "0\n0\n0"
    assert started.ssh("sudo -v && sudo -k && sudo -nv && echo granted") == "granted"
    refused = started.ssh("sudo -l id 2>&1; echo $?; sudo -b id 2>&1; echo $?; sudo 2>&1; echo $?")
    assert re.fullmatch(
        "sudo: option -l is not supported.*\n1\nsudo: option -b .*\n1\nusage: sudo .*\n1", refused
    )


def test_doas_is_there_and_finds_the_programs_of_the_image_in_a_login_shell_too(
    new_container: NewContainer,
) -> None:
    for image in ("debian", "busybox"):
        container = new_container(image)
        tool = container.upper / "odd/bin/tool"
        tool.parent.mkdir(parents=True)
        tool.write_text("#!/opt/devserver/bin/sh\nid -u\n")
        tool.chmod(0o755)
        container.start({"PATH": "/odd/bin:/opt/devserver/bin:/bin"})
        assert container.ssh("tool; doas tool") == "1000\n0"
        assert container.ssh("$SHELL -l -c 'tool; doas tool'") == "1000\n0"


def test_other_users_can_be_reached_through_root(new_container: NewContainer) -> None:
    container = new_container("debian")
    container.start()
    assert container.ssh("doas -u www-data id -un") == "www-data"
    assert container.ssh("sudo -u www-data NAME='a b' env | grep ^NAME=") == "NAME=a b"
    assert container.ssh("sudo -iu games -- sh -c 'id -un; pwd; echo $HOME \"$1\"' - 'a  b'") == (
        "games\n/usr/games\n/usr/games a  b"
    )
    assert container.ssh("echo 'shopt -q login_shell && pwd' | sudo -i") == "/root"


def test_files_travel_by_sftp_scp_and_rsync(started: Container, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 1000)
    address = "dev@127.0.0.1"
    for command in (
        ["sftp", *started.options(), "-P", "2222", "-b", "-", address],
        ["scp", *started.options(), "-P", "2222", source, f"{address}:by-scp"],
        ["scp", "-O", *started.options(), "-P", "2222", source, f"{address}:by-old-scp"],
    ):
        done = started.run(command, stdin=f"put {source} by-sftp\n".encode())
        assert done.returncode == 0, done.stderr.decode()
    started.ssh("rsync -a by-sftp by-rsync")
    for way in ("sftp", "scp", "old-scp", "rsync"):
        started.ssh(f"cmp by-sftp by-{way}")
    fetched = tmp_path / "fetched"
    assert (
        started.run(["scp", *started.options(), "-P", "2222", f"{address}:by-scp", fetched]).returncode == 0
    )
    assert fetched.read_bytes() == source.read_bytes()


def test_a_terminal_is_given(started: Container) -> None:
    assert started.ssh("tty", options=["-tt"]).startswith("/dev/pts/")
    assert started.ssh("stty size", options=["-tt"]) != ""


def test_the_message_of_the_day_is_read_at_each_login(started: Container) -> None:
    assert "Welcome, dev!" in started.login()
    started.publish(motd="Expires soon.\n")
    assert "Expires soon." in started.login()


def test_the_agent_is_forwarded(started: Container, agent: Path, key: Path) -> None:
    public = key.with_suffix(".pub").read_text()
    forwarding = ["-A"]
    assert started.ssh("ssh-add -L", options=forwarding, agent=agent) == public.strip()
    onward = "ssh -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=accept-new 127.0.0.1 id -un 2>/dev/null"
    assert started.ssh(onward, options=forwarding, agent=agent) == "dev"


def test_ports_are_forwarded(started: Container) -> None:
    command = ["ssh", *started.options(), "-p", "2222", "-W", "127.0.0.1:2222", "dev@127.0.0.1"]
    assert started.run(command, stdin=b"SSH-2.0-test\r\n").stdout.startswith(b"SSH-2.0-OpenSSH")


def test_only_dev_gets_in_and_only_by_a_listed_key(started: Container, key: Path, tmp_path: Path) -> None:
    def error(user: str, key: Path = key, options: Sequence[str] = ()) -> str:
        command = ["ssh", *started.options(key), *options, "-p", "2222", f"{user}@127.0.0.1", "true"]
        return started.run(command).stderr.decode()

    denied = "Permission denied (publickey)."
    assert error("dev") == ""
    for user in ("root", "ubuntu", "sshd", "nobody"):
        assert denied in error(user)
    assert denied in error("dev", options=["-o", "PubkeyAuthentication=no"])

    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    assert denied in error("dev", other)

    # Changed keys count at once, without a restart.
    started.publish(keys=other.with_suffix(".pub").read_text())
    assert denied in error("dev")
    started.publish(keys="not a key\n\n" + key.with_suffix(".pub").read_text())
    assert error("dev") == ""
    started.publish(keys="")
    assert denied in error("dev")
