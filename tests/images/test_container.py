"""The container's own life: environment, restarts, its end, and images with accounts of their own."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.container import AT_ONCE_S, Container
from tests.patience import PATIENCE_S, generous

pytestmark = pytest.mark.images

NewContainer = Callable[[str], Container]

HOSTILE = {
    "QUOTES": '"\'`\\"\\\\ \' " \\',
    "COMMANDS": "$(touch /evil) `touch /evil` ; touch /evil && ${HOME} %u %% * ~ # !",
    "BLANKS": "  two  and\ttab \r",
    "ESCAPES": "\x1b[31m\x07\x7f",
    "BYTES": b"\xff\xfe\x80",
    "EMPTY": "",
    "UNICODE": "Grüße \u202e \u2028",
    "LONG": "x" * 40_000,
    "MATCH": "Match all\\nPermitRootLogin yes",
}
# These would hurt the start script itself, or sshd, if they were taken at their word.
MISLEADING = {
    "IFS": "/",
    "ENV": "/evil.sh",
    "OPTIND": "x",
    "LD_PRELOAD": "/nowhere/evil.so",
    "OPENSSL_CONF": "/evil.cnf",
    "POSIXLY_CORRECT": "1",
    "TOOLS": "/evil",
    "ID": "0",
    "id": "0",
    "shell": "/evil",
    "line": "evil",
}


@pytest.mark.parametrize("image", ["debian", "busybox"])
def test_sessions_get_the_environment_of_the_container_unharmed(
    new_container: NewContainer, image: str
) -> None:
    container = new_container(image)
    container.start({**HOSTILE, **MISLEADING})
    command = ["ssh", *container.options(), "-p", "2222", "dev@127.0.0.1", "/opt/devserver/bin/busybox env"]
    got = dict(line.partition(b"=")[::2] for line in container.run(command).stdout.split(b"\n"))
    # The shell that runs the command makes these two its own.
    expected = {
        name: value for name, value in {**HOSTILE, **MISLEADING}.items() if name not in ("IFS", "OPTIND")
    }
    for name, value in expected.items():
        assert got[os.fsencode(name)] == os.fsencode(value), name
    assert not list(container.upper.glob("evil*"))
    assert container.ssh("id -u; doas id -u") == "1000\n0"


def test_what_the_login_says_about_itself_is_not_taken_from_the_container(
    new_container: NewContainer,
) -> None:
    container = new_container("busybox")
    container.start(
        {"HOME": "/root", "USER": "root", "SHELL": "/evil", "SSH_CONNECTION": "x", "TERM": "evil"}
    )
    assert container.ssh("echo $HOME $USER $SHELL $TERM") == "/home/dev dev /bin/sh"


def test_variables_that_cannot_be_told_are_left_out_and_named(new_container: NewContainer) -> None:
    container = new_container("busybox")
    container.start(
        {
            "LINES": "one\nSetEnv FORGED=1\nPermitRootLogin yes",
            "odd name\x1b": "1",
            "HUGE1": '"' * 90_000,
            "HUGE2": '"' * 90_000,
            "GOOD": "1",
        }
    )
    assert (
        container.ssh("env | grep -c -e LINES -e FORGED -e odd -e HUGE2; echo $GOOD ${#HUGE1}")
        == "0\n1 90000"
    )
    log = container.log.read_text()
    assert "do not get the variable LINES: it holds a newline" in log
    assert "do not get the variable odd name?: odd name" in log
    assert "do not get the variable HUGE2: too much" in log


@pytest.mark.parametrize("path", ["/bin\nPermitRootLogin yes\n", "/bin:/" + "x" * 10_000])
def test_a_path_that_does_not_fit_into_a_setting_is_not_used(new_container: NewContainer, path: str) -> None:
    container = new_container("busybox")
    container.start({"PATH": path})
    assert container.ssh("echo $PATH; id -u").endswith(":/sbin:/bin:/opt/devserver/bin\n1000")
    assert "PATH holds a newline" in container.log.read_text()


def test_processes_that_outlive_their_session_are_collected(started: Container) -> None:
    started.ssh("(sleep 0.1 & sleep 0.2 &) >/dev/null 2>&1 </dev/null")
    deadline = time.monotonic() + PATIENCE_S
    # What stays is sshd and the watcher for the end.
    while (states := _states_of_children(started.init_pid)) != ["S", "S"]:
        assert "Z" not in states or time.monotonic() < deadline, states
        time.sleep(0.02)


def _states_of_children(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    stats = (Path(f"/proc/{child}/stat") for child in children)
    return [stat.read_text().rpartition(")")[2].split()[0] for stat in stats if stat.exists()]


def test_it_ends_at_once_with_sessions_open_and_processes_that_do_not_listen(started: Container) -> None:
    started.ssh("trap '' TERM HUP; sleep 600 >/dev/null 2>&1 </dev/null &")
    assert started.stop() < generous(AT_ONCE_S)


@pytest.mark.parametrize("image", ["debian", "busybox", "ubuntu", "bare"])
def test_a_restart_changes_nothing(new_container: NewContainer, image: str) -> None:
    container = new_container(image)
    (container.dir / "home").mkdir()
    container.start()
    container.ssh("echo kept >~/file; doas sh -c 'echo root >~dev/of-root'")
    before = _accounts(container)
    container.stop()
    # The same layer, as when only the process ended ...
    container.start()
    assert _accounts(container) == before
    assert container.ssh("cat file; id -u; doas id -u; stat -c %u of-root") == "kept\n1000\n0\n0"
    container.stop()
    # ... and a new one, as kubelet makes it; the volumes stay.
    for name in ("upper", "work"):
        shutil.rmtree(container.dir / name)
        (container.dir / name).mkdir()
    container.start()
    assert _accounts(container) == before
    assert container.ssh("cat file; id -u; doas id -u; stat -c %u of-root") == "kept\n1000\n0\n0"


def _accounts(container: Container) -> list[str]:
    return [
        (container.upper / "etc" / name).read_text() for name in ("passwd", "group", "shadow", "doas.conf")
    ]


def test_a_start_cut_short_at_any_point_does_no_harm(new_container: NewContainer) -> None:
    container = new_container("ubuntu")
    for delay_ms in range(0, 120, 6):
        container.begin()
        time.sleep(delay_ms / 1000)
        container.kill()
    container.start()
    assert container.ssh("id -un; id -u; doas id -u; ls -A ~/.bashrc") == "dev\n1000\n0\n/home/dev/.bashrc"
    assert container.ssh("grep -c . /etc/passwd; grep -c ^dev: /etc/passwd /etc/group").endswith(
        "/etc/group:1"
    )


def test_an_empty_home_is_filled_from_skel_and_a_used_one_is_left_alone(new_container: NewContainer) -> None:
    container = new_container("debian")
    home = container.dir / "home"
    home.mkdir(mode=0o750)
    (home / "lost+found").mkdir(mode=0o700)
    container.start()
    assert container.ssh("stat -c '%U %a' ~ ~/.bashrc") == "dev 750\ndev 644"
    container.stop()
    (home / ".bashrc").unlink()
    container.start()
    assert container.ssh("ls -A ~ | grep -c bashrc; stat -c %U ~/lost+found") == "0\nroot"


def test_without_host_keys_it_says_what_is_missing(new_container: NewContainer) -> None:
    container = new_container("busybox")
    shutil.rmtree(container.dir / "keys")
    (container.dir / "keys").mkdir()
    with pytest.raises(AssertionError, match="/etc/devserver-hostkeys holds no host key: the Secret needs"):
        container.start()


def test_one_host_key_is_enough_and_needs_no_last_newline(new_container: NewContainer) -> None:
    container = new_container("busybox")
    (container.dir / "keys/ssh_host_ecdsa_key").unlink()
    key = container.dir / "keys/ssh_host_ed25519_key"
    key.write_text(key.read_text().removesuffix("\n"))
    container.start()
    assert container.ssh("id -u") == "1000"


def test_a_user_of_id_1000_becomes_dev_and_keeps_the_name_too(new_container: NewContainer) -> None:
    container = new_container("ubuntu")
    container.start()
    assert container.ssh("id -un; id -u; id -gn; pwd; doas id -u") == "dev\n1000\ndev\n/home/dev\n0"
    assert container.ssh("touch f && doas chown ubuntu:ubuntu f && stat -c '%U %G' f; id ubuntu").startswith(
        "dev dev\n"
    )
    log = container.log.read_text()
    assert "user ubuntu has id 1000: now a second name of dev" in log
    assert "group ubuntu has id 1000: now a second name of dev" in log


ACCOUNTS = {
    "dev has another id": (
        "root:x:0:0::/root:/bin/sh\ndev:x:1001:1001::/srv:/bin/sh\n",
        "user dev had id 1001, now 1000",
    ),
    "dev is locked": ("dev:!:1000:1000::/home/dev:/bin/sh\n", ""),
    "dev may not log in": ("dev:x:1000:1000::/home/dev:/usr/sbin/nologin\n", ""),
    "1000 has several names": ("a:x:1000:5::/:/bin/sh\nb:x:1000:6::/:/bin/sh\n", "user b has id 1000"),
    "the last line has no newline": ("node:x:1000:1000::/:/bin/sh\nroot:x:0:0::/root:/bin/sh", "user node"),
    "odd lines": ("\n#comment\n+::::::\nno colon\nesc\x1b[2J:x:1000:1:$(id)\\n:/:/bin/sh\n", "user esc?[2J"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("case", ACCOUNTS)
def test_other_accounts_of_the_image_are_coped_with(new_container: NewContainer, case: str) -> None:
    passwd, logged = ACCOUNTS[case]
    container = new_container("busybox")
    etc = container.upper / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(passwd)
    (etc / "shadow").write_text("dev:!:1:0:99999:7:::\nroot:*:1::::::\n")
    (etc / "group").write_text("dev:x:77:x,y\nusers:x:1000:dev")
    (etc / "nologin").write_text("closed\n")
    container.start()
    assert (
        container.ssh("id -un; id -u; id -gn; id -g; pwd; doas id -u") == "dev\n1000\ndev\n1000\n/home/dev\n0"
    )
    assert logged in container.log.read_text()
    kept = [line for line in passwd.splitlines() if not line.startswith("dev:")]
    assert [line for line in (etc / "passwd").read_text().splitlines() if line in kept] == kept
    assert "users:x:1000:dev" in (etc / "group").read_text()


# What stands at /usr/bin/sudo, and whether it makes dev root without a question.
SUDOS = {
    "works": ('#!/opt/devserver/bin/sh\nexec /opt/devserver/bin/sudo "$@"\n', True),
    "refuses": ("#!/opt/devserver/bin/sh\necho sudo: a password is required >&2\nexit 1\n", False),
    "makes nobody root": ('#!/opt/devserver/bin/sh\nshift\nexec "$@"\n', False),
    "lacks its libraries": ("#!/nonesuch/ld.so\n", False),
}


@pytest.mark.parametrize("case", SUDOS)
def test_the_images_own_sudo_is_kept_if_it_works(new_container: NewContainer, case: str) -> None:
    program, works = SUDOS[case]
    container = new_container("busybox")
    sudo = container.upper / "usr/bin/sudo"
    sudo.parent.mkdir(parents=True)
    sudo.write_text(program)
    sudo.chmod(0o755)
    container.start()
    found = "/usr/bin/sudo" if works else "/opt/devserver/run/overrides/sudo"
    for command in ("command -v sudo; sudo -n id -u", "$SHELL -lc 'command -v sudo; sudo -n id -u'"):
        assert container.ssh(command) == f"{found}\n0"
    said = "the image's /usr/bin/sudo does not make dev root" in container.log.read_text()
    assert said == (not works)


def test_links_into_a_store_and_missing_directories_are_coped_with(new_container: NewContainer) -> None:
    container = new_container("bare")
    store = container.upper / "store"
    (container.upper / "etc").mkdir()
    store.mkdir(mode=0o755)
    (store / "passwd").write_text("root:x:0:0::/root:/nowhere\n")
    (store / "passwd").chmod(0o444)
    (container.upper / "etc/passwd").symlink_to("/store/passwd")
    container.start()
    assert container.ssh("id -un; doas id -u") == "dev\n0"
    assert (store / "passwd").read_text() == "root:x:0:0::/root:/nowhere\n"


def test_an_image_without_any_shell_gets_the_bundles(new_container: NewContainer) -> None:
    container = new_container("bare")
    for directory in ("bin", "root"):
        # How an overlay says that a directory of the image is gone.
        os.mknod(container.upper / directory, mode=0o020000, device=os.makedev(0, 0))
    container.start()
    assert container.ssh("echo $SHELL; busybox id -u; doas sh -c 'id -u'") == "/opt/devserver/bin/sh\n1000\n0"
