"""The real clients against one DevServer that runs: what its owner's tools do, and by which address."""

import hashlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import new_namespace
from tests.e2e.kube import Kube, Login, SshKey, devserver, eventually
from tests.patience import HUNG_S, PATIENCE_S, generous
from tests.reconciler_process import ReconcilerProcess

pytestmark = pytest.mark.cluster

# The kubelet brings a changed ConfigMap into a pod within its syncFrequency (10 s here).
MOUNTED_S = generous(10)


@dataclass(frozen=True)
class Box:
    """A DevServer and what its owner has. key and second are listed, third is not yet."""

    kube: Kube
    key: SshKey
    second: SshKey
    third: SshKey
    login: Login

    def by(self, key: SshKey) -> Login:
        """Log in with this key."""
        return Login.to(self.kube, "box", key)

    def status(self) -> dict[str, Any]:
        return dict((self.kube.get("dvs", "box") or {})["status"])

    def pod_uid(self) -> str:
        return str((self.kube.get("pod", "box-0") or {})["metadata"]["uid"])


@pytest.fixture(scope="module")
def box(kube: Kube, reconciler: ReconcilerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    directory = tmp_path_factory.mktemp("keys")
    key, second, third = (SshKey.make(directory, name) for name in ("one", "two", "three"))
    with new_namespace(kube) as bound:
        keys = {"publicKey": key.public, "additionalPublicKeys": [second.public]}
        bound.apply(devserver("box", key, running=True, ssh=keys))
        bound.wait_ready("dvs", "box")
        yield Box(bound, key, second, third, Login.to(bound, "box", key))


# --- files -------------------------------------------------------------------------------------------------


def run(*command: str | Path, stdin: str = "") -> str:
    done = subprocess.run(
        [str(part) for part in command], input=stdin, capture_output=True, text=True, timeout=HUNG_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("mode", ["-s", "-O"], ids=["by sftp", "by its own protocol"])
def test_scp_copies_100_mb_there_and_a_directory_back(box: Box, tmp_path: Path, mode: str) -> None:
    large = tmp_path / "large"
    content = os.urandom(1_000_000) * 100
    large.write_bytes(content)
    login = box.login
    login.ssh("rm -rf copied && mkdir copied && printf 'a b' >'copied/with space'")

    run("scp", mode, "-q", "-p", *login.options, large, f"{login.address}:copied/large")
    run("scp", mode, "-q", "-r", *login.options, f"{login.address}:copied", tmp_path / "back")

    digest = hashlib.sha256(content).hexdigest()
    assert login.ssh("sha256sum copied/large").split()[0] == digest
    assert hashlib.sha256((tmp_path / "back/large").read_bytes()).hexdigest() == digest
    assert (tmp_path / "back/with space").read_text() == "a b"


def test_sftp_puts_renames_lists_and_gets(box: Box, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(bytes(range(256)) * 1000)
    steps = (
        f"mkdir s\nput {tmp_path}/up s/a\nrename s/a s/b\nchmod 600 s/b\nls -l s\nget s/b {tmp_path}/down\n"
    )
    listed = run("sftp", *box.login.options, "-b", "-", box.login.address, stdin=steps)
    assert "-rw-------" in listed
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()


def test_rsync_mirrors_a_tree_both_ways_and_sends_only_what_changed(box: Box, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/program").write_text("#!/bin/sh\necho runs\n")
    (tree / "sub/program").chmod(0o750)
    (tree / "link").symlink_to("sub/program")
    (tree / "gone").write_text("soon\n")
    remote = f"{box.login.address}:tree/"
    shell = " ".join(["ssh", *box.login.options])

    def rsync(source: str | Path, target: str | Path) -> str:
        return run("rsync", "-a", "--delete", "--itemize-changes", "-e", shell, source, target)

    assert "sub/program" in rsync(f"{tree}/", remote)
    assert box.login.ssh("tree/link; ls -l tree/sub/program").startswith("runs\n-rwxr-x---")
    (tree / "gone").unlink()
    changes = rsync(f"{tree}/", remote)
    assert "deleting" in changes
    assert "program" not in changes
    rsync(remote, tmp_path / "back")
    assert (tmp_path / "back/link").readlink() == Path("sub/program")
    assert (tmp_path / "back/sub/program").stat().st_mode & 0o777 == 0o750
    assert not (tmp_path / "back/gone").exists()


# --- connections through the session -----------------------------------------------------------------------


@contextmanager
def started(*command: str) -> Iterator["subprocess.Popen[str]"]:
    """A client that runs while the block does, with pipes."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as client:
        try:
            yield client
        finally:
            client.terminate()


@contextmanager
def echo_server() -> Iterator[int]:
    """The port of a server on this host that sends back what it gets."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def connected(port: int) -> socket.socket:
    """A connection to a port of this host, as soon as something listens there."""

    def connect() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        except ConnectionRefusedError:
            return None

    return eventually(connect, f"port {port} is open")


def echoed(connection: socket.socket, content: bytes) -> bytes:
    """What comes back of what is sent."""
    sender = threading.Thread(target=connection.sendall, args=(content,))
    sender.start()
    received = bytearray()
    while len(received) < len(content):
        data = connection.recv(65536)
        if not data:
            break
        received += data
    sender.join()
    return bytes(received)


def test_ports_are_forwarded_both_ways_with_what_goes_through(box: Box) -> None:
    content, local = os.urandom(500_000), free_port()
    with echo_server() as echo:
        # From here into the pod, and from the pod back to here.
        forwards = ("-L", f"{local}:127.0.0.1:7001", "-R", f"7001:127.0.0.1:{echo}")
        with (
            started(*box.login.command("-o", "ExitOnForwardFailure=yes", *forwards, f"sleep {HUNG_S:.0f}")),
            connected(local) as through,
        ):
            assert echoed(through, content) == content
            # The pod's end of -R is for the pod alone.
            listening = box.login.ssh("cat /proc/net/tcp /proc/net/tcp6")
            assert f"0100007F:{7001:04X}" in listening
            assert f"00000000:{7001:04X}" not in listening


# What VS Code's Remote-SSH sends to a shell without a terminal: it puts a server into the home, starts it so that it
# outlives the session, and says where it listens. A second window finds it there.
def vs_code_script(port: int) -> str:
    return f"""
set -e
uname -sm >/dev/null
server=~/.vscode-server/bin/server
if ! [ -x $server ]; then
    mkdir -p ~/.vscode-server/bin
    printf '#!/bin/sh\\nexec /opt/devserver/bin/busybox nc -ll -p %s -e cat\\n' {port} >$server
    chmod +x $server
    nohup $server >~/.vscode-server/log 2>&1 </dev/null &
    echo started
else
    echo found
fi
echo listening on {port}
"""


def through_socks(proxy: socket.socket, port: int) -> None:
    """SOCKS 5: no sign-in, then a connection to a port of the DevServer itself."""
    proxy.sendall(b"\x05\x01\x00")
    assert proxy.recv(2) == b"\x05\x00"
    proxy.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
    assert proxy.recv(10)[1] == 0


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_vs_code_finds_what_it_needs_and_its_server_outlives_the_session(box: Box, shell: str) -> None:
    port = {"bash": 7002, "sh": 7003}[shell]
    box.login.ssh("rm -rf ~/.vscode-server")
    for expected in ("started", "found"):
        local = free_port()
        with started(*box.login.command("-T", "-D", str(local), shell)) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(vs_code_script(port))
            client.stdin.flush()
            assert [client.stdout.readline() for _ in range(2)] == [
                f"{expected}\n",
                f"listening on {port}\n",
            ]
            content = os.urandom(100_000)
            with connected(local) as proxy:
                eventually(
                    lambda: (
                        box.login.try_ssh(f"grep -q :{port:04X} /proc/net/tcp /proc/net/tcp6").returncode == 0
                    ),
                    "up",
                )
                through_socks(proxy, port)
                assert echoed(proxy, content) == content
            client.stdin.close()
            assert client.wait(timeout=PATIENCE_S) == 0


@pytest.fixture
def agent(box: Box) -> Iterator[dict[str, str]]:
    """The environment of someone whose agent has the second key."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:  # a socket's path may have 107 characters
        path = Path(directory, "agent")
        with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
            try:
                eventually(path.exists, "the agent listens")
                environment = {"SSH_AUTH_SOCK": str(path)}
                subprocess.run(
                    ["ssh-add", "-q", box.second.path], env={**os.environ, **environment}, check=True
                )
                yield environment
            finally:
                process.terminate()


def test_the_agent_is_forwarded_and_opens_the_way_onward(box: Box, agent: dict[str, str]) -> None:
    assert box.login.ssh("echo ${SSH_AUTH_SOCK:-none}", env=agent) == "none\n"
    assert box.login.ssh("-A", "ssh-add -L", env=agent) == f"{box.second.public}\n"
    onward = "ssh -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=accept-new 127.0.0.1 whoami"
    assert box.login.ssh("-A", onward, env=agent) == "dev\n"
    assert box.login.try_ssh(onward, env=agent).returncode == 255


# --- addresses ---------------------------------------------------------------------------------------------


@pytest.fixture
def service_type(reconciler: ReconcilerProcess) -> Iterator[Callable[[str | None], None]]:
    """Starts the operator anew with another type of SSH Services, or with the default one."""
    setting = "DEVSERVER_SSH_SERVICE_TYPE"

    def start(type_: str | None) -> None:
        reconciler.stop()
        reconciler.environment.pop(setting, None)
        if type_ is not None:
            reconciler.environment[setting] = type_
        reconciler.start()

    yield start
    if setting in reconciler.environment:
        start(None)


def test_the_status_says_where_to_log_in_whatever_the_type_of_the_service(
    box: Box, service_type: Callable[[str | None], None]
) -> None:
    pod, kube = box.pod_uid(), box.kube
    inside = {"type": "ClusterIP", "host": f"box-ssh.{kube.namespace}.svc", "port": 22}
    assert box.status()["sshAddress"] == inside

    def address(type_: str) -> dict[str, Any] | None:
        found = box.status().get("sshAddress", {})
        return found if found.get("type") == type_ else None

    def log_in(where: dict[str, Any]) -> None:
        login = Login.to(kube, "box", box.key, where["host"], where["port"])
        # kube-proxy has to follow, too.
        eventually(lambda: login.try_ssh("true").returncode == 0, f"a login at {where}")
        assert login.ssh("hostname") == "box-0\n"

    service_type("NodePort")
    on_node = eventually(lambda: address("NodePort"), "the status names the node's port")
    service = (kube.get("service", "box-ssh") or {})["spec"]
    assert on_node["port"] == service["ports"][0]["nodePort"]
    node = on_node["host"]
    assert node == (kube.get("pod", "box-0") or {})["status"]["hostIP"]
    log_in(on_node)

    service_type("LoadBalancer")
    eventually(lambda: (kube.get("service", "box-ssh") or {})["spec"]["type"] == "LoadBalancer", "it is one")
    eventually(lambda: "sshAddress" not in box.status(), "there is no address before there is a balancer")
    # As a cloud's controller would. The node's own address, because kube-proxy alone is the balancer here.
    balancer = {"status": {"loadBalancer": {"ingress": [{"ip": node}]}}}
    kube("patch", "service", "box-ssh", "--subresource=status", "--type=merge", "-p", json.dumps(balancer))
    balanced = eventually(lambda: address("LoadBalancer"), "the status names the balancer")
    assert balanced == {"type": "LoadBalancer", "host": node, "port": 22}
    log_in(balanced)

    service_type(None)
    eventually(lambda: box.status().get("sshAddress") == inside, "it is an address in the cluster again")
    assert box.pod_uid() == pod, "no pod was restarted for it"


# --- keys --------------------------------------------------------------------------------------------------


def accepts(login: Login) -> bool:
    done = login.try_ssh("whoami")
    assert done.returncode == 0 or "Permission denied (publickey)" in done.stderr, done.stderr
    return done.returncode == 0


def test_each_listed_key_logs_in_and_a_changed_list_counts_without_a_restart(box: Box) -> None:
    pod = box.pod_uid()
    assert [accepts(box.by(key)) for key in (box.key, box.second, box.third)] == [True, True, False]

    with started(*box.by(box.second).command("cat")) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        box.kube.patch(
            "dvs", "box", {"ssh": {"publicKey": box.key.public, "additionalPublicKeys": [box.third.public]}}
        )
        eventually(lambda: accepts(box.by(box.third)), "the new key is accepted", MOUNTED_S)
        assert [accepts(box.by(key)) for key in (box.key, box.second)] == [True, False]
        # A session that is open goes on.
        session.stdin.write("still here\n")
        session.stdin.flush()
        assert session.stdout.readline() == "still here\n"

    box.kube.patch("dvs", "box", {"ssh": {"publicKey": box.third.public, "additionalPublicKeys": []}})
    eventually(lambda: not accepts(box.by(box.key)), "the first key is taken away", MOUNTED_S)
    assert accepts(box.by(box.third))
    assert box.pod_uid() == pod
