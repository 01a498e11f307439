"""Security profiles in namespaces that enforce them: Pod Security admission and the kernel have the last word."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import images
import localcluster
from localcluster.paths import Paths
from tests.e2e.conftest import FLAVOR, new_namespace
from tests.e2e.kube import Kube, Login, SshKey, condition, devserver, eventually
from tests.images.container import unpack
from tests.patience import PATIENCE_S, PATIENTLY
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SharedCluster, settings

pytestmark = pytest.mark.cluster

SYSTEM = "devserver-system"
LEVEL = "pod-security.kubernetes.io"
# An image whose user 1000 is another one, and locked, as in ubuntu:24.04.
TAKEN_IMAGE = "local/taken:1"
BOXES = {"debian": "local/debian:bookworm", "busybox": "local/busybox:1", "taken": TAKEN_IMAGE}


@dataclass(frozen=True)
class Ground:
    """A namespace that enforces `restricted`, with a flavor that fits it."""

    kube: Kube
    key: SshKey
    flavor: str

    def login(self, name: str) -> Login:
        return Login.to(self.kube, name, self.key)


@pytest.fixture(scope="module")
def ground(
    kube: Kube,
    cluster: SharedCluster,
    reconciler: ReconcilerProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ground]:
    """DevServers of three images, which start at the same time. The first one's home is a volume of the node's."""
    directory = tmp_path_factory.mktemp("profiles")
    load_taken_image(directory)
    key = SshKey.make(directory)
    with new_namespace(kube) as bound, local_volume(kube, bound.namespace, "debian-home") as storage_class:
        enforce(kube, bound.namespace, "restricted")
        flavor = f"{bound.namespace}-restricted"
        prewarm = {"images": [TAKEN_IMAGE], "replicas": 1}
        manifest: dict[str, Any] = {**FLAVOR, "metadata": {"name": flavor}}
        changes = {"default": False, "securityProfile": "restricted", "prewarm": prewarm}
        kube.apply({**manifest, "spec": {**manifest["spec"], **changes}})
        for name, image in BOXES.items():
            home = {"size": "10Mi", "storageClassName": storage_class} if name == "debian" else None
            more = {"home": home} if home else {}
            bound.apply(devserver(name, key, running=True, image=image, flavor=flavor, **more))
        for name in BOXES:
            bound.wait_ready("dvs", name)
        yield Ground(bound, key, flavor)
        kube("delete", "dvsf", flavor, PATIENTLY)


def load_taken_image(directory: Path) -> None:
    rootfs, tar = directory / "rootfs", directory / "taken.tar"
    unpack(images.tars()["local/busybox:1"], rootfs)
    for file, line in {
        "passwd": "ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/sh",
        "group": "ubuntu:x:1000:",
        "shadow": "ubuntu:!:19876:0:99999:7:::",
    }.items():
        with (rootfs / "etc" / file).open("a") as content:
            content.write(line + "\n")
    images.pack(rootfs, tar, TAKEN_IMAGE, images.ImageConfig(command=("sh",)))
    localcluster.load([tar], settings())


@contextmanager
def local_volume(kube: Kube, namespace: str, claim: str) -> Iterator[str]:
    """A directory of the node as a volume for that claim; yields its StorageClass. It goes with the namespace."""
    name = f"{namespace}-local"
    # Where the node's standard volumes are, too; these know no fsGroup, but a local volume does.
    on_host = Paths.of(settings().name).root / "data/volumes" / name
    on_host.mkdir()
    (node,) = kube.names("node")
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.removeprefix("node/")]}
    kube.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": "kubernetes.io/no-provisioner",
        }
    )
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "10Mi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": name,
                "local": {"path": f"/tmp/hostpath_pv/{name}"},
                "claimRef": {"namespace": namespace, "name": claim},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            },
        }
    )
    yield name
    kube("delete", "pv", name, "--wait=false")
    kube("delete", "storageclass", name)
    shutil.rmtree(on_host)


def enforce(kube: Kube, namespace: str, level: str) -> None:
    kube(
        "label", "namespace", namespace, *(f"{LEVEL}/{mode}={level}" for mode in ("enforce", "warn", "audit"))
    )


def complaints(cluster: SharedCluster, namespace: str, level: str) -> str:
    """What Pod Security admission would say of the pods in the namespace if it enforced the level."""
    label = f"{LEVEL}/enforce={level}"
    words = ("label", "namespace", namespace, "--overwrite", "--dry-run=server", label)
    done = cluster.try_kubectl(*words)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("name", BOXES)
def test_without_root_a_person_logs_in_and_has_no_right_that_others_have_not(
    ground: Ground, name: str
) -> None:
    login = ground.login(name)
    user, *status = login.ssh(
        "id; grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status"
    ).splitlines()
    assert user.startswith("uid=1000(dev) gid=1000(dev)")
    rights = {field: value.strip() for field, _, value in (line.partition(":") for line in status)}
    assert set(rights.pop("Groups").split()) == {"1000"}
    assert rights == {
        **{f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }
    for command in ("doas id", "sudo -n id"):
        done = login.try_ssh(command)
        assert done.returncode == 1
        assert "securityProfile of the flavor is restricted" in done.stderr


@pytest.mark.parametrize("name", BOXES)
def test_a_pod_holds_neither_a_token_nor_the_addresses_of_other_services(ground: Ground, name: str) -> None:
    ssh = ground.login(name).ssh
    assert ssh("ls -d /var/run/secrets /run/secrets 2>/dev/null || true") == ""
    assert "_SSH_SERVICE_HOST" not in ssh("env; tr '\\0' '\\n' </proc/1/environ")


@pytest.mark.parametrize("name", BOXES)
def test_without_root_terminals_copies_home_and_tmp_work(ground: Ground, tmp_path: Path, name: str) -> None:
    login = ground.login(name)
    shown = login.ssh("-tt", "tty; pwd; touch /tmp/mine && echo writable").split()
    assert shown[0].startswith("/dev/pts/")
    assert shown[1:] == ["/home/dev", "writable"]

    file = tmp_path / "file"
    file.write_text("kept\n")
    for mode in ("-s", "-O"):  # by sftp, and by its own protocol
        run("scp", mode, "-q", *login.options, str(file), f"{login.address}:copied{mode}")
    run("sftp", "-q", "-b", "-", *login.options, login.address, stdin=f"get copied-s {tmp_path}/back\n")
    assert (tmp_path / "back").read_text() == "kept\n"
    assert login.ssh("cat copied-O; stat -c '%u %g' copied-O") == "kept\n1000 1000\n"


def run(*command: str, stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr


def test_without_root_a_login_shell_shows_the_motd_and_has_the_images_path(ground: Ground) -> None:
    login = ground.login("debian")
    done = subprocess.run(
        ["ssh", "-tt", *login.options, login.address],
        input="echo path=$PATH; exit\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert f"DevServer debian in {ground.kube.namespace}" in done.stdout
    assert "path=/opt/devserver/run/overrides:/usr/local/sbin:" in done.stdout


def test_without_root_a_home_survives_its_pod_and_keeps_its_private_keys_private(ground: Ground) -> None:
    before = (ground.kube.get("pod", "debian-0") or {})["metadata"]["uid"]
    assert (
        ground.login("debian")
        .ssh(
            "ls -A; mkdir -p .ssh && echo key >.ssh/id_ed25519 && chmod 600 .ssh/id_ed25519; echo kept >file"
        )
        .startswith(".bash")
    )  # from /etc/skel
    ground.kube("delete", "pod", "debian-0")

    def is_another() -> bool:
        pod = ground.kube.get("pod", "debian-0")
        return pod is not None and pod["metadata"]["uid"] != before and bool(condition(pod, "Ready"))

    eventually(is_another, "another pod is ready")
    ground.kube.wait_ready("dvs", "debian")
    assert ground.login("debian").ssh("cat file; stat -c %a .ssh/id_ed25519") == "kept\n600\n"


def test_pods_of_a_flavor_itself_pass_restricted_too(ground: Ground, cluster: SharedCluster) -> None:
    def pulled() -> bool:
        found = ground.kube(
            "-n", SYSTEM, "get", "daemonset", f"prewarm-{ground.flavor}", "-o", "jsonpath={.status}"
        )
        return '"numberReady":1' in found

    eventually(pulled, "the image was pulled by a pod without root")
    assert complaints(cluster, SYSTEM, "restricted") == ""


def test_baseline_pods_have_root_pass_baseline_and_are_told_where_they_do_not_pass(
    ground: Ground, namespace: Kube, kube: Kube, cluster: SharedCluster
) -> None:
    """A DevServer with the default flavor, whose profile is baseline, in a namespace of either level."""
    enforce(kube, namespace.namespace, "baseline")
    for bound in (namespace, ground.kube):
        bound.apply(devserver("rooted", ground.key, running=True))
    namespace.wait_ready("dvs", "rooted")
    assert Login.to(namespace, "rooted", ground.key).ssh("doas id -u; sudo -n id -u") == "0\n0\n"
    assert complaints(cluster, namespace.namespace, "baseline") == ""
    assert "rooted-0" in complaints(cluster, namespace.namespace, "restricted")

    def refusal() -> str:
        found = ground.kube.condition("dvs", "rooted", "Ready")
        return found["message"] if found.get("reason") == "PodRefused" else ""

    message = eventually(refusal, "the pod is refused")
    assert "needs a flavor whose spec.securityProfile is restricted" in message
    ground.kube.patch("dvs", "rooted", {"flavor": ground.flavor})
    ground.kube.wait_ready("dvs", "rooted")
    assert complaints(cluster, ground.kube.namespace, "restricted") == ""
