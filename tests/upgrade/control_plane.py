"""A small API server that goes on where a recording ends: etcd and kube-apiserver on this host, and nothing else.

No controller and no kubelet runs, so that objects change only if the operator, or a test, changes them.
"""

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import localcluster
import toolchain
from localcluster import kubeconfig
from localcluster.components import DEBIAN_PROGRAMS, components
from localcluster.paths import INSIDE
from localcluster.pki import write_pki
from localcluster.run import program
from tests.e2e.kube import eventually
from tests.shared_cluster import RECONCILER, SYSTEM_NAMESPACE, SharedCluster
from tests.upgrade.etcd import Etcd
from tests.upgrade.recording import Recording

_START_S = 180
_STOP_S = 30


@contextmanager
def restored(recording: Recording, directory: Path) -> Iterator[SharedCluster]:
    """An API server with the recording's objects, until the block ends. directory: for its files."""
    settings = localcluster.Settings(name="upgrade", service_cidr=IPv4Network(recording.service_cidr))
    write_pki(directory / "pki", settings)
    client, peer, secure = _free_ports(3)
    # The flags of the local cluster, which was recorded; its places are others here.
    places = {
        str(INSIDE.root): str(directory),
        "/var/lib/etcd": str(directory / "etcd"),
        "127.0.0.1:2379": f"127.0.0.1:{client}",
        "127.0.0.1:2380": f"127.0.0.1:{peer}",
        "--bind-address=0.0.0.0": "--bind-address=127.0.0.1",
        "--secure-port=6443": f"--secure-port={secure}",
    }
    commands = {
        component.name: [_replaced(part, places) for part in component.argv]
        for component in components(settings, _locate)
    }
    with ExitStack() as stack:
        stack.enter_context(_running(commands["etcd"], directory / "etcd.log"))
        _await_port(client, directory / "etcd.log")
        etcd = Etcd(client)
        etcd.restore(recording.entries())
        etcd.close()
        # Its address is nobody's here.
        apiserver = [*commands["kube-apiserver"], "--endpoint-reconciler-type=none"]
        stack.enter_context(_running(apiserver, directory / "kube-apiserver.log"))
        yield _identities(settings, f"https://127.0.0.1:{secure}", directory)


def _identities(settings: localcluster.Settings, server: str, directory: Path) -> SharedCluster:
    """Wait until the API server is ready; gives kubeconfigs of the administrator and of the recorded operator."""
    admin, reconciler = directory / "admin.kubeconfig", directory / "reconciler.kubeconfig"
    kubeconfig.write(admin, kubeconfig.by_certificate(settings.name, server, directory / "pki", "admin"))
    cluster = SharedCluster(admin, reconciler)
    eventually(
        lambda: cluster.try_kubectl("get", "--raw=/readyz").returncode == 0,
        f"the API server is ready (its log: {directory / 'kube-apiserver.log'})",
        _START_S,
    )
    token = cluster.kubectl(
        "create", "token", RECONCILER, f"--namespace={SYSTEM_NAMESPACE}", "--duration=24h"
    ).strip()
    kubeconfig.write(
        reconciler, kubeconfig.by_token(settings.name, server, directory / "pki", RECONCILER, token)
    )
    return cluster


def _locate(name: str) -> Path:
    return program(name) if name in DEBIAN_PROGRAMS else toolchain.binary(name)


def _replaced(part: str, places: dict[str, str]) -> str:
    for old, new in places.items():
        part = part.replace(old, new)
    return part


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [item.getsockname()[1] for item in sockets]


def _await_port(port: int, log: Path) -> None:
    def accepts() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(accepts, f"something listens on port {port} (its log: {log})", _START_S)


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
