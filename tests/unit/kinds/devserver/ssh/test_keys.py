"""SSH keys: what users give, and host keys."""

import base64
from contextlib import suppress
from textwrap import wrap
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from crds.devserver import DevServer
from reconciler.kinds.devserver.ssh.keys import (
    HOST_KEY_FILES,
    authorized_key,
    generate_host_keys,
    host_keys_of_user,
    managed_host_keys,
    secret_files,
)
from reconciler.status.errors import StalledError
from tests.builders import ECDSA, ED25519
from tests.case_files import cases

FIELD = "spec.ssh.publicKey"
KEYS = {
    case.name.removeprefix("devserver-key-"): case.documents[0]["spec"]["ssh"]["publicKey"]
    for case in cases("valid")
    if case.name.startswith("devserver-key-")
}


def test_every_key_type_has_a_case() -> None:
    types = {line.split()[0] for line in KEYS.values()}
    assert types == {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }


@pytest.mark.parametrize("line", KEYS.values(), ids=KEYS.keys())
def test_a_key_is_kept_as_type_and_base64(line: str) -> None:
    assert authorized_key(line, FIELD) == " ".join(line.split(" ")[:2])


@pytest.mark.parametrize(
    "comment", ["ada@laptop", "two words", "", 'command="id"', "$(id)", "ssh-rsa AAAA", "-----"]
)
def test_a_comment_is_dropped(comment: str) -> None:
    assert authorized_key(f"{ED25519} {comment}", FIELD) == ED25519


def test_superfluous_padding_is_taken_off() -> None:
    assert authorized_key(f"{ED25519}==", FIELD) == ED25519


BLOB = ED25519.split()[1]
HOSTILE = {
    "empty": "",
    "one word": "ssh-ed25519",
    "no key": "ssh-ed25519 ",
    "no base64": "ssh-ed25519 ????",
    "base64 of nothing": "ssh-ed25519 AAAA",
    "cut short": ED25519[:-10],
    "more than a key": f"ssh-ed25519 {BLOB}{BLOB}",
    "another type in front": f"ssh-rsa {BLOB}",
    "the type of a token in front": f"sk-ssh-ed25519@openssh.com {BLOB}",
    "an unknown type": f"ssh-ed448 {BLOB}",
    "options": f'command="id" {ED25519}',
    "a tab": ED25519.replace(" ", "\t"),
    "two spaces": ED25519.replace(" ", "  "),
    "a newline first": f"\n{ED25519}",
    "a newline inside": f"ssh-ed25519 {BLOB[:20]}\n{BLOB[20:]}",
    "a NUL": f"ssh-ed25519 {BLOB[:20]}\x00{BLOB[20:]}",
    "another alphabet": "ssh-ed25519 \N{CYRILLIC SMALL LETTER A}AAA",
    "a lone surrogate": "ssh-ed25519 \udc80",
    "a point that is not on the curve": ECDSA[:-8] + "AAAAAAA=",
    "an RSA key without numbers": "ssh-rsa " + base64.b64encode(b"\0\0\0\x07ssh-rsa").decode(),
    "an RSA key of zeros": "ssh-rsa " + base64.b64encode(b"\0\0\0\x07ssh-rsa" + b"\0\0\0\x01\0" * 2).decode(),
    "a length beyond the end": "ssh-rsa " + base64.b64encode(b"\xff\xff\xff\xffssh-rsa").decode(),
    "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "long": "ssh-rsa " + "A" * 100_000,
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_line_stalls_with_the_fields_name_and_the_way_out(line: str) -> None:
    with pytest.raises(
        StalledError, match=r"^spec\.ssh\.publicKey is not a usable public key .*ssh-keygen"
    ) as error:
        authorized_key(line, FIELD)
    assert error.value.reason == "InvalidPublicKey"


def is_admitted(line: str) -> bool:
    """Whether the API server lets it through to the reconciler."""
    spec = {"owner": "a", "image": "a", "ssh": {"publicKey": line}}
    try:
        DevServer.model_validate({"metadata": {"name": "a"}, "spec": spec})
    except ValueError:
        return False
    return True


def blobs() -> st.SearchStrategy[bytes]:
    """Nearly a key's fields: lengths, types and numbers, some of them wrong."""
    types = [
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "sk-ssh-ed25519@openssh.com",
        "nistp256",
        "ssh:",
    ]
    parts = st.one_of(
        st.sampled_from(types).map(str.encode),
        st.binary(max_size=70),
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=64, max_size=64).map(lambda point: b"\x04" + point),
    )
    return st.lists(parts.map(lambda part: len(part).to_bytes(4, "big") + part), max_size=5).map(b"".join)


@given(
    type_=st.sampled_from(sorted({line.split()[0] for line in KEYS.values()})),
    blob=st.one_of(blobs(), st.binary(max_size=200)),
)
def test_whatever_is_admitted_gives_a_key_or_stalls(type_: str, blob: bytes) -> None:
    line = f"{type_} {base64.b64encode(blob).decode()}"
    if not is_admitted(line):
        return
    with suppress(StalledError):
        assert authorized_key(line, FIELD) == line


@given(st.text())
def test_any_text_gives_a_key_or_stalls(line: str) -> None:
    with pytest.raises(StalledError):
        authorized_key(line, FIELD)


# --- host keys


def test_host_keys_are_made_in_the_formats_that_sshd_reads() -> None:
    keys = generate_host_keys()
    assert keys.private is not None
    assert keys.private.keys() == {name for file in HOST_KEY_FILES for name in (file, f"{file}.pub")}
    assert [line.split()[0] for line in keys.public] == ["ssh-ed25519", "ecdsa-sha2-nistp256"]
    for file, line in zip(HOST_KEY_FILES, keys.public, strict=True):
        assert keys.private[file].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        assert keys.private[file].endswith("-----END OPENSSH PRIVATE KEY-----\n")
        assert keys.private[f"{file}.pub"] == f"{line}\n"


def test_host_keys_are_never_the_same_twice() -> None:
    assert generate_host_keys().public != generate_host_keys().public


def test_host_keys_do_not_show_in_logs() -> None:
    assert "PRIVATE" not in repr(generate_host_keys())


def secret(**files: str | bytes) -> dict[str, Any]:
    encoded = {
        name: base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()
        for name, text in files.items()
    }
    return {"metadata": {"name": "box-hostkeys"}, "data": encoded}


def test_host_keys_are_the_same_when_read_back() -> None:
    made = generate_host_keys()
    assert made.private is not None
    assert managed_host_keys(secret_files(secret(**made.private))) == made


def test_host_keys_of_a_users_secret_are_used_and_not_managed() -> None:
    made = generate_host_keys()
    assert made.private is not None
    given_ = secret(ssh_host_ed25519_key=made.private["ssh_host_ed25519_key"])
    keys = host_keys_of_user(given_)
    assert keys.private is None
    assert keys.public == made.public[:1]


def wire(*parts: bytes) -> bytes:
    """Fields as SSH writes them: each after its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def encrypted_key() -> str:
    """What `ssh-keygen -N PASSWORD` writes, but for the content, which no one can read without the password."""
    kdf = wire(b"s" * 16) + (24).to_bytes(4, "big")
    public = wire(b"ssh-ed25519", b"p" * 32)
    content = b"openssh-key-v1\0" + wire(b"aes256-ctr", b"bcrypt", kdf)
    content += (1).to_bytes(4, "big") + wire(public, b"x" * 144)
    lines = "\n".join(wrap(base64.b64encode(content).decode(), 70))
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"


def pkcs8_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


UNUSABLE: dict[str, dict[str, Any]] = {
    "no data": {"metadata": {}, "data": None},
    "no key file": secret(other="x"),
    "an empty file": secret(ssh_host_ed25519_key=""),
    "no key": secret(ssh_host_ed25519_key="hello"),
    "no text": secret(ssh_host_ed25519_key=b"\xff\xfe\x00"),
    "an encrypted key": secret(ssh_host_ed25519_key=encrypted_key()),
    "a key in another format": secret(ssh_host_ed25519_key=pkcs8_key()),
    "a public key": secret(ssh_host_ed25519_key=ED25519),
}


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_secret_without_a_usable_host_key_stalls(unusable: dict[str, Any]) -> None:
    with pytest.raises(StalledError) as error:
        host_keys_of_user(unusable)
    assert error.value.reason == "InvalidHostKeys"
