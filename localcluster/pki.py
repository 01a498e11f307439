"""The cluster's keys and certificates: elliptic-curve P-256, all signed by one authority of its own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcluster.settings import Settings

_LIFETIME = timedelta(days=3650)
# Clocks of a host and a virtual machine on it may differ a little.
_BACKDATED = timedelta(hours=1)


@dataclass(frozen=True)
class Identity:
    """Whom a certificate names: a user and its groups, and, for servers, names and addresses."""

    user: str
    groups: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address, ...] = ()


def identities(settings: Settings) -> dict[str, Identity]:
    """The cluster's certificates by file name."""
    loopback = IPv4Address("127.0.0.1")
    return {
        "admin": Identity("localcluster-admin", groups=("system:masters",)),
        "apiserver": Identity(
            "kube-apiserver",
            dns_names=(
                "localhost",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ),
            addresses=(loopback, settings.kubernetes_ip, settings.node_ip),
        ),
        "apiserver-kubelet-client": Identity("kube-apiserver-kubelet-client"),
        "kube-controller-manager": Identity("system:kube-controller-manager"),
        "kube-scheduler": Identity("system:kube-scheduler"),
        "kube-proxy": Identity("system:kube-proxy"),
        "coredns": Identity("system:coredns"),
        "kubelet": Identity(
            f"system:node:{settings.name}",
            groups=("system:nodes",),
            dns_names=(settings.name,),
            addresses=(settings.node_ip, loopback),
        ),
    }


def write_pki(directory: Path, settings: Settings) -> None:
    """Write NAME.crt and NAME.key of the authority (`ca`) and all identities, and the key pair for tokens."""
    directory.mkdir(mode=0o700)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name(Identity(f"localcluster-{settings.name}"))
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    _write(directory, "ca", authority_key, authority)
    for name, identity in identities(settings).items():
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _certificate(_name(identity), authority_name, key.public_key())
        if identity.addresses:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(_alternative_names(identity), critical=False)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        _write(directory, name, key, certificate)
    _write(directory, "service-accounts", ec.generate_private_key(ec.SECP256R1()), None)


def _name(identity: Identity) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _alternative_names(identity: Identity) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [*map(x509.DNSName, identity.dns_names), *map(x509.IPAddress, identity.addresses)]
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(
    directory: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate | None
) -> None:
    """Write the key, and its certificate or, where no one vouches for it, its public half."""
    secret = directory / f"{name}.key"
    secret.touch(mode=0o600)
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    if certificate is None:
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (directory / f"{name}.pub").write_bytes(public)
    else:
        (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
