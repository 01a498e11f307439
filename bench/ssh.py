"""The real ssh and scp, as a person runs them: one connection each, host keys checked strictly."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bench.errors import BenchError

_PORT = 22
_POLL_S = 0.02
_COMMAND_S = 120.0


@dataclass(frozen=True)
class Person:
    """Someone with a key pair of their own. directory: private, for the key and what is known of hosts."""

    directory: Path

    @classmethod
    def new(cls, directory: Path) -> "Person":
        """Someone with a new key."""
        person, key = cls(directory), Ed25519PrivateKey.generate()
        person.private.touch(mode=0o600)
        person.private.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        )
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        person.private.with_suffix(".pub").write_bytes(public)
        return person

    @property
    def private(self) -> Path:
        """File of the private key."""
        return self.directory / "id_ed25519"

    @property
    def public(self) -> str:
        """The public key, one line."""
        return self.private.with_suffix(".pub").read_text()

    def meet(self, address: str, host_keys: Sequence[str]) -> None:
        """Know the host of this address by its public keys, and no other."""
        self._known_hosts.write_text("".join(f"{address} {key}\n" for key in host_keys))

    async def ssh(self, address: str, command: str) -> str:
        """Standard output of a command that is run over a connection of its own. Raises BenchError if it fails."""
        return await _run("ssh", *self._options(), f"dev@{address}", command)

    async def scp(self, address: str, source: Path, target: str) -> None:
        """Copy a file to the host. Raises BenchError if that fails."""
        await _run("scp", "-q", *self._options(), str(source), f"dev@{address}:{target}")

    @property
    def _known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def _options(self) -> list[str]:
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self._known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
        }
        flags = [part for option, value in options.items() for part in ("-o", f"{option}={value}")]
        return ["-F", "none", "-i", str(self.private), *flags]


async def until_sshd_answers(address: str, timeout_s: float) -> None:
    """Wait for sshd's first word, connecting again and again. Raises BenchError if that takes too long."""
    deadline = time.monotonic() + timeout_s
    while not await _speaks_ssh(address):
        if time.monotonic() > deadline:
            raise BenchError(f"no sshd answers at {address} within {timeout_s:.0f} s")
        await asyncio.sleep(_POLL_S)


async def _speaks_ssh(address: str) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(address, _PORT)
            try:
                return (await reader.readline()).startswith(b"SSH-")
            finally:
                writer.close()
    return False


async def _run(*command: str) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(_COMMAND_S):
            output, errors = await process.communicate()
    except TimeoutError:
        raise BenchError(f"{command[0]} has not ended after {_COMMAND_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise BenchError(f"{command[0]} failed ({process.returncode}): {errors.decode(errors='replace')}")
    return output.decode(errors="replace")
