"""Public keys: from files, from the agent, and told apart by their fingerprints."""

import base64
import binascii
import re
import subprocess
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from crds.devserver import DevServerSpec
from crds.ssh import PublicKey, Ssh
from devctl.errors import Misuse

# In the order of preference, as ssh itself would offer them.
_DEFAULT_FILES = ("id_ed25519.pub", "id_ecdsa.pub", "id_ed25519_sk.pub", "id_ecdsa_sk.pub", "id_rsa.pub")
_MAX_FILE_BYTES = 64 * 1024
_AGENT_TIMEOUT_S = 5
_VALID: TypeAdapter[str] = TypeAdapter(PublicKey)


def read(file: str) -> str:
    """The public key in a file. Raises Misuse, which says what the file holds instead."""
    path = Path(file).expanduser()
    try:
        with path.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise Misuse(f"Cannot read the key {file}: {error.strerror or error}") from error
    if b"PRIVATE KEY" in content:
        raise Misuse(f"{file} is a private key, which must stay with you. Name the public key, {file}.pub")
    try:
        lines = [line for line in content.decode().splitlines() if line.strip() and not line.startswith("#")]
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1:
        raise Misuse(
            f"{file} is not a public key. It must hold one line such as `ssh-ed25519 AAAA... comment`."
        )
    return checked(lines[0].strip(), file)


def checked(line: str, source: str) -> str:
    """The key, if it is one that DevServers accept. Raises Misuse."""
    # Slow to import, and not needed by lists.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        _VALID.validate_python(line)
        # Keys of security tokens are beyond this library; the operator takes them as they are.
        if not line.startswith("sk-"):
            load_ssh_public_key(" ".join(line.split()[:2]).encode())
    except (ValidationError, ValueError, UnsupportedAlgorithm) as error:
        raise Misuse(f"{source} holds no usable public key: {_why(line)}") from error
    return line


def _why(line: str) -> str:
    if line.startswith(("ssh-dss", "ssh-rsa1")):
        return "its type is obsolete; create a new key with `ssh-keygen -t ed25519`"
    if not re.match(r"(ssh|ecdsa|sk)-", line):
        return "the line must begin with the key type, for example ssh-ed25519; options before it are not accepted"
    return "it is damaged, or its comment is not ASCII"


def default(setting: str | None) -> str:
    """The key to use where none is named: that of the settings, the agent's first, that in ~/.ssh. Raises Misuse."""
    if setting:
        return read(setting)
    for line in _agent_lines():
        try:
            return checked(line, "The SSH agent")
        except Misuse:
            continue
    for name in _DEFAULT_FILES:
        file = Path.home() / ".ssh" / name
        if file.is_file():
            return read(str(file))
    raise Misuse(
        "Found no SSH key: the agent has none, and ~/.ssh has no id_*.pub. Create one with `ssh-keygen -t ed25519`, "
        "or name one with --key FILE."
    )


def _agent_lines() -> Sequence[str]:
    try:
        done = subprocess.run(
            ["ssh-add", "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_AGENT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def fingerprint(line: str) -> str:
    """The key's fingerprint as `ssh-keygen -l` shows it; `damaged` if it has none."""
    try:
        body = base64.b64decode(line.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return "damaged"
    return "SHA256:" + base64.b64encode(sha256(body).digest()).decode().rstrip("=")


def comment(line: str) -> str:
    """The key's comment, empty without one."""
    return line.split(" ", 2)[2] if line.count(" ") > 1 else ""


def same(one: str, other: str) -> bool:
    """Whether both lines are of one key, whatever their comments."""
    return one.split()[:2] == other.split()[:2]


def matching(lines: Iterable[str], wanted: str) -> list[str]:
    """The keys that a user means by a fingerprint, a comment, a whole line, or a file of one."""
    known = list(lines)
    found = [line for line in known if wanted in (fingerprint(line), comment(line)) or same(line, wanted)]
    if found or not Path(wanted).expanduser().is_file():
        return found
    public = read(wanted)
    return [line for line in known if same(line, public)]


def of(spec: DevServerSpec) -> list[str]:
    """All keys of a spec, the main one first."""
    return [spec.ssh.public_key, *spec.ssh.additional_public_keys]


def patch(lines: Sequence[str]) -> dict[str, Any]:
    """The patch of a spec that makes these its keys. Raises Misuse if they are too many."""
    try:
        Ssh.model_validate({"publicKey": lines[0], "additionalPublicKeys": list(lines[1:])})
    except ValidationError as error:
        raise Misuse(f"{len(lines)} keys are too many. A DevServer can have at most 17.") from error
    return {"ssh": {"publicKey": lines[0], "additionalPublicKeys": list(lines[1:])}}


def merged(present: Sequence[str], added: Sequence[str]) -> list[str]:
    """Both lists, each key once; the present line of a key stays."""
    found = list(present)
    for line in added:
        if not any(same(line, other) for other in found):
            found.append(line)
    return found


def without(present: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The keys without those that a user means. Raises Misuse if one is not there, or none would be left."""
    gone: list[str] = []
    for text in wanted:
        found = matching(present, text)
        if not found:
            raise Misuse(
                f"No key matches {text!r}. Name a fingerprint or a comment that `devctl keys list` shows."
            )
        if len(found) > 1:
            raise Misuse(f"{len(found)} keys have the comment {text!r}. Name the fingerprint instead.")
        gone += found
    left = [line for line in present if line not in gone]
    if not left:
        raise Misuse("No key would be left, and nobody could log in. Add another key first.")
    return left
