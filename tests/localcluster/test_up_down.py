"""The whole life of a cluster, on this machine. Needs root, the toolchain and the images; a minute."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import psutil
import pytest
from tenacity import Retrying, stop_after_delay, wait_fixed

import images
import localcluster
import toolchain
from localcluster.errors import SettingsDiffer
from tests.e2e.kube import eventually
from tests.localcluster.snapshot import Snapshot, differences, host_snapshot, processes_of, still_there
from tests.patience import HUNG_S, PATIENCE_S, PATIENTLY, generous

pytestmark = pytest.mark.cluster

# A cluster of its own, at addresses that are free: it does not disturb one that runs already.
SETTINGS = localcluster.Settings(name="updown")
# Promised.
REPEATED_UP_S = 1.0
WORKLOAD = Path(__file__).with_name("workload.yaml")


@pytest.fixture(scope="module")
def before() -> Snapshot:
    localcluster.down(SETTINGS)
    return host_snapshot(SETTINGS.name)


@pytest.fixture(scope="module")
def cluster(before: Snapshot) -> Iterator[localcluster.Status]:
    yield localcluster.up(SETTINGS)
    localcluster.down(SETTINGS)


@pytest.fixture(scope="module")
def workload(cluster: localcluster.Status) -> None:
    """A web server with a claim and a Service, and a client that is not root."""
    kubectl("apply", f"--filename={WORKLOAD}")
    kubectl("wait", "--for=condition=Ready", "pod/web", "pod/client", PATIENTLY)


def kubectl(*args: str, kubeconfig: Path | None = None) -> str:
    path = kubeconfig or localcluster.kubeconfig_path(SETTINGS)
    command = [str(toolchain.binary("kubectl")), f"--kubeconfig={path}", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_S)
    assert done.returncode == 0, f"{' '.join(args)}: {done.stderr}"
    return done.stdout


def command_line(*args: str) -> str:
    command = [sys.executable, "-m", "localcluster", *args]
    environment = {**os.environ, "LOCALCLUSTER_NAME": SETTINGS.name}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def fetch(url: str) -> str:
    # The machine's proxy settings are not for addresses of the cluster.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


def component(name: str) -> localcluster.ComponentStatus:
    return next(found for found in localcluster.status(SETTINGS).components if found.name == name)


@contextmanager
def port_forward(target: str, port: int) -> Iterator[int]:
    """The local port that kubectl forwards to `port` of `target`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        local = free.getsockname()[1]
    kubeconfig = localcluster.kubeconfig_path(SETTINGS)
    command = [
        str(toolchain.binary("kubectl")),
        f"--kubeconfig={kubeconfig}",
        "port-forward",
        target,
        f"{local}:{port}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "Forwarding" in process.stdout.readline()
            yield local
        finally:
            process.terminate()


def test_up_gives_a_ready_node_with_every_component_running(cluster: localcluster.Status) -> None:
    assert cluster.healthy
    assert cluster.node_ready
    assert {found.restarts for found in cluster.components} == {0}


def test_up_on_a_running_cluster_changes_nothing_and_takes_a_moment(
    cluster: localcluster.Status,
) -> None:
    began = time.monotonic()
    again = localcluster.up(SETTINGS)
    assert time.monotonic() - began < generous(REPEATED_UP_S)
    assert [found.pid for found in again.components] == [found.pid for found in cluster.components]


def test_the_kubeconfig_is_for_its_owner_only_and_names_the_clusters_authority(
    cluster: localcluster.Status,
) -> None:
    path = localcluster.kubeconfig_path(SETTINGS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "certificate-authority-data" in path.read_text()


def test_pods_find_services_by_name_and_other_names_at_once_not(workload: None) -> None:
    assert (
        kubectl("exec", "client", "--", "wget", "-qO-", "http://web.default.svc.cluster.local") == "hello\n"
    )
    assert "NXDOMAIN" in kubectl("exec", "client", "--", "sh", "-c", "nslookup example.com; true")


def test_pods_reach_the_api_server_at_its_service_name(workload: None) -> None:
    plain_request = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 30 kubernetes.default.svc 443"
    answer = kubectl("exec", "client", "--", "sh", "-c", plain_request)
    assert "Client sent an HTTP request to an HTTPS server" in answer


def test_the_host_reaches_services_and_pods_directly(workload: None) -> None:
    service = kubectl("get", "service", "web", "--output=jsonpath={.spec.clusterIP}")
    pod = kubectl("get", "pod", "web", "--output=jsonpath={.status.podIP}")
    assert fetch(f"http://{service}") == "hello\n"
    assert fetch(f"http://{pod}:8080") == "hello\n"


def test_logs_exec_and_port_forward_go_through_the_kubelet(workload: None) -> None:
    assert kubectl("logs", "web") == "started\n"
    assert kubectl("exec", "client", "--", "id", "-u") == "1000\n"
    with port_forward("pod/web", 8080) as port:
        assert fetch(f"http://127.0.0.1:{port}") == "hello\n"


def test_a_claim_gets_a_volume_of_the_default_class(workload: None) -> None:
    assert (
        kubectl("get", "pvc", "data", "--output=jsonpath={.spec.storageClassName} {.status.phase}")
        == "standard Bound"
    )
    assert list((localcluster.kubeconfig_path(SETTINGS).parent / "data" / "volumes").rglob("index.html"))


def test_the_kubelet_refuses_who_does_not_sign_in(cluster: localcluster.Status) -> None:
    # Its certificate does not matter here.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        str(cluster.settings.node_ip), 10250, timeout=PATIENCE_S, context=context
    )
    with closing(connection):
        connection.request("GET", "/pods")
        assert connection.getresponse().status == 401


def test_a_service_account_gets_a_kubeconfig_of_its_own(cluster: localcluster.Status) -> None:
    path = localcluster.service_account_kubeconfig("default", "default", "10m", SETTINGS)
    who = json.loads(kubectl("auth", "whoami", "--output=json", kubeconfig=path))
    assert who["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_one_blocks_an_owners_deletion_without_the_right_to(workload: None) -> None:
    kubectl("create", "role", "maker", "--verb=create,get", "--resource=configmaps")
    kubectl("create", "rolebinding", "maker", "--role=maker", "--serviceaccount=default:default")
    path = localcluster.service_account_kubeconfig("default", "default", "10m", SETTINGS)
    uid = kubectl("get", "service", "web", "--output=jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": uid, "blockOwnerDeletion": True}
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "child", "namespace": "default", "ownerReferences": [owner]},
    }
    command = [str(toolchain.binary("kubectl")), f"--kubeconfig={path}", "create", "--filename=-"]
    done = subprocess.run(command, input=json.dumps(child), capture_output=True, text=True)
    assert "cannot set blockOwnerDeletion" in done.stderr


def test_a_cluster_does_not_change_its_addresses(cluster: localcluster.Status) -> None:
    other = localcluster.Settings(name=SETTINGS.name, pod_cidr=IPv4Network("10.250.0.0/24"))
    with pytest.raises(SettingsDiffer, match="pod_cidr"):
        localcluster.up(other)


def test_a_cluster_of_the_same_name_from_another_cache_is_left_alone(
    cluster: localcluster.Status, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as other:
        other.setenv("DEVSERVER_CACHE", str(tmp_path))
        for command in (localcluster.up, localcluster.down):
            with pytest.raises(localcluster.LocalClusterError, match="a cluster updown runs already"):
                command(SETTINGS)
    assert localcluster.status(SETTINGS).healthy


def test_an_image_that_the_node_has_is_not_imported_again(cluster: localcluster.Status) -> None:
    assert localcluster.load(list(images.tars().values()), SETTINGS) == []


def test_the_command_line_tells_how_the_cluster_fares(cluster: localcluster.Status) -> None:
    assert json.loads(command_line("status", "--output=json"))["healthy"] is True
    assert "updown: healthy" in command_line("status")
    assert command_line("kubeconfig").strip() == str(cluster.kubeconfig)
    assert command_line("kubeconfig", "--print") == cluster.kubeconfig.read_text()


def test_a_command_inside_is_in_the_clusters_namespaces(cluster: localcluster.Status) -> None:
    assert str(cluster.settings.node_ip) in command_line("exec", "--", "ip", "-o", "address")
    assert "docker.io/local/pause:1" in command_line("exec", "--", "ctr", "images", "list", "--quiet")


def test_orphans_inside_are_collected_when_they_end(cluster: localcluster.Status) -> None:
    command_line("exec", "--", "sh", "-c", "(sleep 0.2 &) >/dev/null")
    time.sleep(0.6)
    eventually(lambda: not any(map(is_zombie, processes_of(SETTINGS.name))), "it is collected")


def is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_killed_api_server_is_started_again(workload: None) -> None:
    os.kill(component("kube-apiserver").pid, signal.SIGKILL)
    while component("kube-apiserver").restarts == 0:
        time.sleep(0.05)
    assert localcluster.up(SETTINGS).healthy
    assert component("kube-apiserver").restarts == 1
    assert component("kube-apiserver").last_exit == "killed by SIGKILL"


def test_a_stopped_component_stays_stopped_until_it_is_started(workload: None) -> None:
    localcluster.stop("kubelet", SETTINGS)
    eventually(lambda: component("kubelet").phase == "stopped", "it is stopped")
    time.sleep(0.5)
    assert component("kubelet").phase == "stopped"
    assert not localcluster.status(SETTINGS).healthy
    localcluster.start("kubelet", SETTINGS)
    assert localcluster.status(SETTINGS).healthy
    # A kubelet that has just started has yet to look what runs on its node.
    for attempt in Retrying(stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(0.2), reraise=True):
        with attempt:
            assert kubectl("exec", "client", "--", "wget", "-qO-", "http://web") == "hello\n"


def test_a_killed_component_is_another_process_when_kill_returns(cluster: localcluster.Status) -> None:
    before = component("kube-scheduler").pid
    localcluster.kill("kube-scheduler", SETTINGS)
    after = component("kube-scheduler")
    assert after.phase == "ready"
    assert after.pid != before


def test_a_paused_component_answers_again_after_the_block(cluster: localcluster.Status) -> None:
    with localcluster.paused("etcd", SETTINGS):
        assert psutil.Process(component("etcd").pid).status() == psutil.STATUS_STOPPED
        with pytest.raises(AssertionError, match=r"(?i)timed? ?out"):
            kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps", "--request-timeout=2s")
    assert "ConfigMapList" in kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps")


def test_a_second_cluster_stands_beside_the_first(cluster: localcluster.Status) -> None:
    second = localcluster.Settings(name="second")
    try:
        status = localcluster.up(second)
        assert status.healthy
        assert status.settings.node_ip != cluster.settings.node_ip
    finally:
        localcluster.down(second)
    assert localcluster.status(SETTINGS).healthy


def test_up_after_the_supervisor_was_killed_keeps_what_was_in_the_cluster(workload: None) -> None:
    psutil.Process(localcluster.status(SETTINGS).supervisor_pid).kill()
    while localcluster.status(SETTINGS).supervisor_pid:
        time.sleep(0.05)
    assert not localcluster.status(SETTINGS).healthy
    assert localcluster.up(SETTINGS).healthy
    assert "web" in kubectl("get", "service", "web")


def test_down_leaves_the_host_as_it_was(before: Snapshot, cluster: localcluster.Status) -> None:
    assert "veth" in differences(before, host_snapshot(SETTINGS.name))
    processes = processes_of(SETTINGS.name)
    assert "kube-apiserver" in {process.name() for process in processes}
    localcluster.down(SETTINGS)
    assert differences(before, host_snapshot(SETTINGS.name)) == ""
    assert still_there(processes) == []
