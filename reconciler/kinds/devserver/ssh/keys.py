"""SSH keys: checks users' public keys; reads and generates host keys. No key material is ever logged."""

import base64
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from reconciler.kube.objects import Object
from reconciler.status import reasons
from reconciler.status.errors import StalledError
from stacks.devserver.program import HostKeys

# The file names under which stacks/files/startup.sh looks for host keys.
HOST_KEY_FILES = ("ssh_host_ed25519_key", "ssh_host_ecdsa_key")


def authorized_key(line: str, field: str) -> str:
    """A user's public key as `TYPE BASE64`, without its comment.

    field: the key's path in the spec. Raises StalledError if the key cannot be parsed.
    """
    try:
        key_type, blob, *_ = line.split(" ")
        # Pad the key correctly: sshd is strict, while libraries accept wrong padding, each version another one.
        bare = blob.rstrip("=")
        decoded = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        key = f"{key_type} {base64.b64encode(decoded).decode()}"
        load_ssh_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise StalledError(
            reasons.INVALID_PUBLIC_KEY,
            f"{field} is not a usable public key ({error}); use the line of a .pub file made by ssh-keygen.",
        ) from error
    return key


def generate_host_keys() -> HostKeys:
    """New host keys: ed25519, and ecdsa for clients that do not support ed25519."""
    private: dict[str, str] = {}
    keys: tuple[Ed25519PrivateKey | EllipticCurvePrivateKey, ...] = (
        Ed25519PrivateKey.generate(),
        generate_private_key(SECP256R1()),
    )
    for file, key in zip(HOST_KEY_FILES, keys, strict=True):
        text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        private[file] = text
        private[f"{file}.pub"] = f"{_public_line(text)}\n"
    return managed_host_keys(private)


def managed_host_keys(files: Mapping[str, str]) -> HostKeys:
    """Host keys of a Secret that the stack owns. files: its files. Raises StalledError without a usable key."""
    return HostKeys(public=_public_lines(files), private=dict(files))


def host_keys_of_user(secret: Object) -> HostKeys:
    """Host keys of a user's own Secret, which the stack never changes. Raises StalledError without a usable key."""
    return HostKeys(public=_public_lines(secret_files(secret)), private=None)


def secret_files(secret: Object) -> dict[str, str]:
    """The Secret's text files by name."""
    data: Mapping[str, str] = secret.get("data") or {}
    return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}


def _public_lines(files: Mapping[str, str]) -> tuple[str, ...]:
    try:
        lines = tuple(_public_line(files[file]) for file in HOST_KEY_FILES if file in files)
    # The library raises TypeError for an encrypted key, since it was given no password.
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StalledError(
            reasons.INVALID_HOST_KEYS,
            f"The host-key Secret has a key that cannot be read ({error}); use unencrypted OpenSSH private keys.",
        ) from error
    if not lines:
        raise StalledError(
            reasons.INVALID_HOST_KEYS,
            f"The host-key Secret has none of the files {', '.join(HOST_KEY_FILES)}. Add one, or delete the "
            "Secret to have keys generated.",
        )
    return lines


def _public_line(private: str) -> str:
    public = load_ssh_private_key(private.encode(), password=None).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
