"""The files of a local cluster: keys, kubeconfigs, directories made and removed, images in tars."""

import base64
import io
import json
import socket
import tarfile
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcluster import kubeconfig, state
from localcluster.errors import LocalClusterError, NotRunning, SettingsDiffer
from localcluster.kubectl import write_service_account_kubeconfig
from localcluster.locks import only_one
from localcluster.node_images import describe
from localcluster.paths import Paths, created_at_once, discard
from localcluster.pki import identities, write_pki
from localcluster.settings import Settings

SETTINGS = Settings(name="x")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys") / "pki"
    write_pki(directory, SETTINGS)
    return directory


def certificate(pki: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((pki / f"{name}.crt").read_bytes())


def test_every_certificate_is_signed_by_the_clusters_authority(pki: Path) -> None:
    authority = certificate(pki, "ca")
    for name in identities(SETTINGS):
        certificate(pki, name).verify_directly_issued_by(authority)


def test_only_servers_may_pose_as_servers(pki: Path) -> None:
    servers = set()
    for name in identities(SETTINGS):
        usage = certificate(pki, name).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.SERVER_AUTH in usage:
            servers.add(name)
    assert servers == {"apiserver", "kubelet"}


def test_the_api_server_is_known_by_all_its_names_and_addresses(pki: Path) -> None:
    extension = certificate(pki, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert "kubernetes.default.svc" in extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    assert {IPv4Address("10.96.0.1"), IPv4Address("10.99.0.1"), IPv4Address("127.0.0.1")} == set(addresses)


def test_the_kubelet_signs_in_as_its_node(pki: Path) -> None:
    subject = certificate(pki, "kubelet").subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:x"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"


def test_keys_are_for_their_owner_only(pki: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in pki.glob("*.key")} == {0o600}


def test_a_kubeconfig_holds_all_that_it_needs_and_is_for_its_owner_only(pki: Path, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, kubeconfig.by_certificate("x", "https://10.99.0.1:6443", pki, "admin"))
    content = yaml.safe_load(path.read_text())
    authority = base64.b64decode(content["clusters"][0]["cluster"]["certificate-authority-data"])
    assert authority == (pki / "ca.crt").read_bytes()
    assert set(content["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_settings_that_a_cluster_was_made_with_are_remembered(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert state.remembered(paths) is None
    paths.settings.write_text(SETTINGS.model_dump_json())
    assert state.remembered(paths) == SETTINGS


def test_a_cluster_is_not_changed_by_other_settings(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.settings.write_text(SETTINGS.model_dump_json())
    assert state.ensure(paths, Settings(name="x")) == SETTINGS
    other = Settings.model_validate({"name": "x", "service_cidr": "10.7.0.0/16"})
    with pytest.raises(
        SettingsDiffer, match=r"service_cidr 10.96.0.0/16, not 10.7.0.0/16: unset LOCALCLUSTER_SERVICE_CIDR"
    ):
        state.ensure(paths, other)


def test_the_state_of_another_version_is_told_as_such(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.settings.write_text('{"name": "x", "flavour": "old"}')
    with pytest.raises(LocalClusterError, match="not of this version; run down, then up"):
        state.remembered(paths)


def test_a_cluster_that_is_not_there_is_told_with_the_command_that_starts_it(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="python -m localcluster up"):
        state.existing(Paths(tmp_path))


def test_a_directory_that_is_made_at_once_is_not_there_when_making_it_failed(tmp_path: Path) -> None:
    target = tmp_path / "cluster"
    with pytest.raises(FileNotFoundError), created_at_once(target) as draft:
        (draft / "no such directory" / "half").touch()
    assert not target.exists()
    with created_at_once(target) as draft:
        (draft / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["cluster", "whole"]
    assert target.stat().st_mode & 0o777 == 0o700


def test_a_removal_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".cluster.old" / "left").mkdir(parents=True)
    (tmp_path / "cluster" / "new").mkdir(parents=True)
    discard(tmp_path / "cluster")
    assert list(tmp_path.iterdir()) == []
    discard(tmp_path / "cluster")


def test_a_removal_does_not_follow_links(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "link").symlink_to(precious)
    discard(tmp_path / "cluster")
    assert (precious / "file").exists()


@pytest.mark.parametrize("name", ["", "..", "../../etc", "a/b", "-x", "Upper", "a\n"])
def test_no_file_is_written_for_what_is_no_kubernetes_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalClusterError, match="no Kubernetes name"):
        write_service_account_kubeconfig(Paths(tmp_path), SETTINGS, "default", name, "1h")


def test_a_lock_is_held_by_one_and_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        only_one("unit test"),
        socket.socket(socket.AF_UNIX) as other,
        pytest.raises(OSError, match="in use"),
    ):
        other.bind("\0localcluster/unit test")
    with only_one("unit test"):
        assert capsys.readouterr().err == ""


def image_tar(path: Path, index: object) -> Path:
    content = json.dumps(index).encode()
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("index.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def test_a_tar_tells_its_images_and_their_digests(tmp_path: Path) -> None:
    manifest = {
        "digest": "sha256:1234",
        "annotations": {"io.containerd.image.name": "docker.io/local/a:1"},
    }
    tar = image_tar(tmp_path / "a.tar", {"manifests": [manifest]})
    assert describe(tar) == {"docker.io/local/a:1": "sha256:1234"}


@pytest.mark.parametrize("index", [{}, {"manifests": [{"digest": "sha256:1"}]}, []])
def test_a_tar_without_named_images_is_refused_by_name(tmp_path: Path, index: object) -> None:
    with pytest.raises(LocalClusterError, match=r"odd\.tar is no OCI-layout tar"):
        describe(image_tar(tmp_path / "odd.tar", index))


def test_a_file_that_is_no_tar_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("text")
    with pytest.raises(LocalClusterError, match=r"text\.tar is no OCI-layout tar"):
        describe(tmp_path / "text.tar")
