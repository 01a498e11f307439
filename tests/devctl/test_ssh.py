"""Real ssh clients, by devctl's way in: one's own token, strict host keys, several at once, restarts in between."""

import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pexpect
import pytest

import localcluster
from tests import shared_cluster
from tests.devctl.conftest import NAMESPACE, Person, ended
from tests.e2e.kube import eventually
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def included(alice: Person, box: str) -> Person:
    """Alice, whose ssh knows her DevServers."""
    shown = alice.try_devctl("config", "ssh-include")
    assert f"+Host {box} {box}.{NAMESPACE}" in shown.stdout
    assert "Nothing was written" in shown.stderr
    assert not (alice.home / ".ssh/config").exists()
    alice.devctl("config", "ssh-include", "--write")
    assert "already" in alice.try_devctl("config", "ssh-include").stderr
    return alice


def test_ssh_by_name_runs_a_command_and_ends_with_its_code(included: Person, box: str) -> None:
    done = included.ssh(box, "id -un; exit 5")
    assert (done.returncode, done.stdout) == (5, "dev\n"), done.stderr
    assert included.ssh(f"{box}.{NAMESPACE}", "hostname").stdout == f"{box}-0\n"


def test_devctl_ssh_needs_no_include_and_passes_a_command_on(alice: Person, box: str) -> None:
    assert alice.devctl("ssh", box, "--", "printf %s 'a b'; exit 0") == "a b"
    done = alice.try_devctl("ssh", box, "--", "exit 9")
    assert done.returncode == 9
    assert alice.devctl("ssh", box, "--", "cat", stdin=b"through\n") == "through\n"


def test_ssh_checks_host_keys_that_the_status_names_and_asks_nobody(included: Person, box: str) -> None:
    (known,) = (included.home / ".local/state/devctl/known_hosts").glob(f"*/{box}.{NAMESPACE}")
    good = known.read_text()
    assert known.stat().st_mode & 0o777 == 0o600
    # The proxy writes what is right before ssh looks: a file that was tampered with does no harm.
    known.write_text(good.replace("AAAA", "AAAB"))
    assert included.ssh(box, "true").returncode == 0
    assert known.read_text() == good
    # A host that is not the one of the status is refused.
    done = included.ssh("-o", "HostKeyAlias=other", box, "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_scp_sftp_and_rsync_carry_files_both_ways(included: Person, box: str) -> None:
    content = os.urandom(3_000_000)
    (included.home / "up").write_bytes(content)
    flags = ("-F", f"{included.home}/.ssh/config", "-B", "-q")
    assert included.run("scp", *flags, "up", f"{box}:copied").returncode == 0
    done = included.run("sftp", *flags[:2], "-b", "-", box, stdin=b"rename copied moved\nget moved down\n")
    assert done.returncode == 0, done.stderr
    assert (included.home / "down").read_bytes() == content
    shell = f"ssh -F {included.home}/.ssh/config -o BatchMode=yes"
    tree = included.home / "tree/sub"
    tree.mkdir(parents=True)
    (tree / "file").write_bytes(content[:1000])
    for source, target in (("tree", f"{box}:"), (f"{box}:tree", "back")):
        done = included.run("rsync", "-a", "-e", shell, source, target)
        assert done.returncode == 0, done.stderr
    assert (included.home / "back/tree/sub/file").read_bytes() == content[:1000]


def test_cp_copies_directories_both_ways_as_dev(alice: Person, box: str) -> None:
    source = alice.home / "with space"
    source.mkdir()
    (source / "file").write_text("x\n")
    alice.devctl("cp", "with space", f"{box}:")
    assert alice.devctl("ssh", box, "--", "stat -c %U 'with space/file'") == "dev\n"
    alice.devctl("cp", f"{box}:with space/file", "fetched")
    assert (alice.home / "fetched").read_text() == "x\n"
    done = alice.try_devctl("cp", f"{box}:missing", "there")
    assert (done.returncode, "No such file" in done.stderr) == (1, True)


def test_several_sessions_at_once_do_not_disturb_each_other(included: Person, box: str) -> None:
    def session(number: int) -> str:
        return included.ssh(box, f"sleep 1; echo {number}; head -c 300000 /dev/zero | wc -c").stdout

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(session, range(4))) == [f"{number}\n300000\n" for number in range(4)]


def test_a_terminal_has_its_size_its_keys_and_its_end(included: Person, box: str) -> None:
    for command in (
        included.devctl_command("ssh", box),
        included.devctl_command("exec", box, "--", "/bin/bash"),
    ):
        shell = included.terminal(*command, columns=97)
        shell.expect(r"[$#] ")
        shell.sendline("stty size")
        shell.expect("30 97")
        shell.setwinsize(41, 101)
        await_size(shell, "41 101")
        shell.sendline("sleep 100")
        time.sleep(0.5)
        shell.sendcontrol("c")
        shell.sendline("echo after-$((40 + 2)); exit 3")
        shell.expect("after-42")
        assert ended(shell) == 3


def await_size(shell: "pexpect.spawn[str]", size: str) -> None:
    """Ask until the shell's terminal has that size."""

    def has_it() -> bool:
        shell.sendline("stty size")
        shell.expect(r"(\d+ \d+)\r")
        assert isinstance(shell.match, re.Match)
        return bool(shell.match[1] == size)

    eventually(has_it, f"the terminal has {size}")


@pytest.fixture
def agent(alice: Person) -> Iterator[Person]:
    """Alice with an agent that has her key."""
    socket = f"/tmp/agent-{os.getpid()}"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: os.path.exists(socket), "the agent listens")
        with_agent = Person(alice.home, alice.kubeconfig, {"SSH_AUTH_SOCK": socket})
        assert with_agent.run("ssh-add", str(alice.home / ".ssh/id_ed25519")).returncode == 0
        yield with_agent
    finally:
        process.terminate()
        process.wait()
        Path(socket).unlink(missing_ok=True)


def test_the_agent_is_forwarded_by_choice_only(agent: Person, box: str) -> None:
    ask = 'test -n "$SSH_AUTH_SOCK" && echo forwarded || echo none'
    assert agent.devctl("ssh", box, "--", ask) == "none\n"
    assert agent.devctl("ssh", "--agent", box, "--", ask) == "forwarded\n"


def test_a_key_of_the_agent_is_taken_where_none_is_named(agent: Person, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    elsewhere = Person(tmp_path / "home", agent.kubeconfig, agent.extra)
    manifest = elsewhere.devctl("create", "--dry-run")
    assert (agent.home / ".ssh/id_ed25519.pub").read_text().split()[1] in manifest


def test_a_session_over_a_restart_of_the_api_server_says_why_it_ended_and_the_next_one_works(
    included: Person, box: str
) -> None:
    session = included.terminal(
        "ssh",
        "-F",
        f"{included.home}/.ssh/config",
        "-t",
        box,
        "nohup sleep 1000 & echo $! >pid; echo begun; cat",
        columns=300,
    )
    session.expect("begun")
    killer = threading.Thread(target=localcluster.kill, args=("kube-apiserver", shared_cluster.settings()))
    killer.start()
    session.expect("This SSH session ended because its connection")
    assert ended(session) == 255
    # A session that begins while the API server is away goes on when it is back; what ran there still runs.
    done = included.ssh(box, "kill $(cat pid) && echo was there")
    killer.join()
    assert (done.returncode, done.stdout) == (0, "was there\n"), done.stderr


def test_creates_and_deletes_keep_the_include_file_up_to_date(included: Person, name: str) -> None:
    (own,) = (included.home / ".config/devctl/ssh").iterdir()
    included.devctl("create", name)
    assert f"Host {name} " in own.read_text()
    included.devctl("delete", name, "--yes", "--no-wait")
    eventually(
        lambda: included.devctl("config", "ssh-include", "--write") == "" and name not in own.read_text(),
        "gone",
    )


def test_what_vs_code_does_works_a_shell_without_a_terminal_and_a_dynamic_forward(
    included: Person, box: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ("ssh", "-F", f"{included.home}/.ssh/config", "-T", "-D", str(port), box, "bash")
    with included.started(*command) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("echo ready-$((40 + 2))\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "ready-42\n"
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as through:
            # SOCKS 5: no sign-in, then a connection to what is port 2222 of the DevServer itself.
            through.sendall(b"\x05\x01\x00")
            assert through.recv(2) == b"\x05\x00"
            through.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + (2222).to_bytes(2, "big"))
            assert through.recv(10)[1] == 0
            assert through.recv(4) == b"SSH-"
        shell.stdin.close()
        assert shell.wait(timeout=PATIENCE_S) == 0


def test_sessions_can_share_one_connection(alice: Person, box: str, tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text('key = "~/.ssh/id_ed25519.pub"\n[ssh]\nshare_connection = true\n')
    # A short path: that of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as runtime:
        sharing = Person(
            alice.home, alice.kubeconfig, {"DEVCTL_CONFIG": str(settings), "XDG_RUNTIME_DIR": runtime}
        )
        share(sharing, box, Path(runtime))


def share(sharing: Person, box: str, runtime: Path) -> None:
    assert sharing.devctl("ssh", box, "--", "echo one") == "one\n"
    (control,) = (runtime / "devctl").iterdir()
    assert sharing.devctl("ssh", box, "--", "echo two") == "two\n"
    sharing.run("ssh", "-o", f"ControlPath={control}", "-O", "exit", "any")
