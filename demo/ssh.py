"""Logging in by the real ssh client, which checks the host keys that the DevServer's status names."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import console
from demo.errors import DemoError
from demo.kubectl import Kubectl

_PORT_FORWARD_S = 20.0
_LOGIN_S = 60


@dataclass(frozen=True)
class Login:
    """The client's files for one DevServer, in a directory that only their owner can enter.

    alias: the name by which ssh knows it.
    """

    directory: Path
    alias: str

    @property
    def config(self) -> Path:
        """The client's settings: `ssh -F CONFIG ALIAS`."""
        return self.directory / "ssh_config"

    @property
    def _key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def _public_key(self) -> Path:
        return self._key.with_suffix(".pub")

    @property
    def public_key(self) -> str:
        """The public line of the key that was made."""
        return self._public_key.read_text().strip()

    def make_key(self) -> str:
        """Make a new key pair in place of an older one; returns the public line. Raises DemoError."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if shutil.which("ssh-keygen") is None:
            raise DemoError("there is no ssh-keygen on PATH: install your system's OpenSSH client")
        for old in (self._key, self._public_key):
            old.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(self._key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return self.public_key

    def trust(self, status: dict[str, Any], port: int) -> None:
        """Write the client's files: only the keys that the DevServer's status names are trusted.

        port: the one of 127.0.0.1 that the config goes to when a command names no other.
        """
        known_hosts = self.directory / "known_hosts"
        known_hosts.write_text("".join(f"{self.alias} {key}\n" for key in status["ssh"]["hostKeys"]))
        options = {
            "HostName": "127.0.0.1",
            "Port": port,
            "User": "dev",
            "HostKeyAlias": self.alias,
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": f'"{known_hosts}"',
            "GlobalKnownHostsFile": "/dev/null",
            "IdentityFile": f'"{self._key}"',
            "IdentitiesOnly": "yes",
        }
        lines = [f"Host {self.alias}", *(f"    {name} {value}" for name, value in options.items())]
        self.config.write_text("\n".join(lines) + "\n")

    def run(self, port: int, command: str) -> str:
        """Standard output of a command run over SSH. Raises DemoError with what ssh said."""
        options = ["-F", str(self.config), "-p", str(port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
        try:
            done = subprocess.run(
                ["ssh", *options, self.alias, command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LOGIN_S,
            )
        except subprocess.TimeoutExpired:
            raise DemoError(f"ssh {self.alias} {command} did not end within {_LOGIN_S} s") from None
        if done.returncode != 0:
            raise DemoError(f"ssh {self.alias} {command}: {done.stderr.strip()}")
        return done.stdout.strip()

    def shown(self, port: int, command: str, expected: str) -> None:
        """Run a command and print it with its output, which must be the expected one."""
        console.line(f"$ ssh {self.alias} {command}")
        output = self.run(port, command)
        console.block(output)
        if output != expected:
            raise DemoError(f"`{command}` should have printed {expected!r}")


@contextmanager
def port_forward(kubectl: Kubectl, namespace: str, target: str, port: int) -> Iterator[int]:
    """A free port of 127.0.0.1 that leads to a port of `target` (`svc/NAME`) while the block runs."""
    forward = kubectl.command("port-forward", f"--namespace={namespace}", target, f":{port}")
    # It must not outlive the demo, however that ends.
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *forward],
        env=kubectl.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield _announced_port(process, target)
    finally:
        process.terminate()
        process.communicate()


def _announced_port(process: subprocess.Popen[str], target: str) -> int:
    """The port in the line `Forwarding from 127.0.0.1:PORT -> ...`."""
    assert process.stdout is not None
    deadline = time.monotonic() + _PORT_FORWARD_S
    said = ""
    while time.monotonic() < deadline and (text := process.stdout.readline()):
        said += text
        if text.startswith("Forwarding from 127.0.0.1:"):
            return int(text.split(":")[1].split()[0])
    raise DemoError(f"kubectl port-forward to {target} failed: {said.strip() or 'it said nothing'}")
