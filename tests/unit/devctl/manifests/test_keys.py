"""Public keys: read, told apart, added and removed."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devctl.errors import Misuse
from devctl.manifests import keys


def public_key(comment: str = "") -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return f"{key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {comment}".strip()


def test_a_key_is_read_from_its_file_with_its_comment(tmp_path: Path) -> None:
    line = public_key("alice@laptop")
    (tmp_path / "id.pub").write_text(f"# mine\n{line}\n\n")
    assert keys.read(str(tmp_path / "id.pub")) == line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n", "is a private key, which must stay with you"),
        (b"", "is not a public key"),
        (b"\xff\xfe\x00", "is not a public key"),
        (b"ssh-ed25519 AAAA\nssh-ed25519 BBBB\n", "is not a public key. It must hold one line"),
        (b"ssh-ed25519 AAAAnonsense\n", "it is damaged"),
        (b'command="rm" ssh-ed25519 AAAA\n', "options before it are not accepted"),
        (b"ssh-dss AAAAB3NzaC1kc3M=\n", "is obsolete"),
        ("ssh-ed25519 AAAA Jürgen\n".encode(), "not ASCII"),
    ],
)
def test_what_is_no_public_key_is_refused_by_what_it_is(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "id"
    file.write_bytes(content)
    with pytest.raises(Misuse, match=message):
        keys.read(str(file))


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    line = "ssh-ed25519 " + base64.b64encode(b"abc").decode()
    assert keys.fingerprint(line) == "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0"
    assert keys.fingerprint("ssh-ed25519") == "damaged"


def test_a_key_is_added_once_whatever_its_comment() -> None:
    one, two = public_key(), public_key()
    assert keys.merged([one], [f"{one} again", two, two]) == [one, two]


def test_a_key_is_removed_by_fingerprint_comment_or_itself() -> None:
    lines = [public_key("a"), public_key("b"), public_key("c"), public_key()]
    left = keys.without(lines, [keys.fingerprint(lines[0]), "b", lines[2]])
    assert left == [lines[3]]


def test_the_last_key_an_unknown_and_an_ambiguous_one_are_not_removed() -> None:
    lines = [public_key("same"), public_key("same")]
    for wanted, message in (
        (["other"], "No key matches 'other'"),
        (["same"], "2 keys have the comment"),
        ([keys.fingerprint(line) for line in lines], "No key would be left"),
    ):
        with pytest.raises(Misuse, match=message):
            keys.without(lines, wanted)


def test_more_than_seventeen_keys_are_too_many() -> None:
    lines = [public_key() for _ in range(18)]
    assert keys.patch(lines[:17])["ssh"]["publicKey"] == lines[0]
    with pytest.raises(Misuse, match="18 keys are too many"):
        keys.patch(lines)
