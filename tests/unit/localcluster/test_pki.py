"""Keys and certificates of a local cluster."""

from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcluster.pki import identities
from localcluster.settings import Settings

SETTINGS = Settings(name="x")


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
