"""kubectl and ssh as people use them, and waiting for what people wait for."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import toolchain
from tests.patience import HUNG_S, PATIENCE_S, PATIENTLY

_T = TypeVar("_T")


class Refused(Exception):
    """kubectl exited with an error; the text is what it printed."""


def eventually(check: Callable[[], _T], what: str, timeout_s: float = PATIENCE_S) -> _T:
    """The first true value of `check`; fails after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last value: {value!r})")
        time.sleep(0.1)


@dataclass(frozen=True)
class Kube:
    """kubectl with a kubeconfig and, once bound, a namespace."""

    kubeconfig: Path
    namespace: str = "default"

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        command = [
            str(toolchain.binary("kubectl")),
            "--kubeconfig",
            str(self.kubeconfig),
            "-n",
            self.namespace,
        ]
        done = subprocess.run([*command, *args], input=stdin, capture_output=True, text=True, timeout=HUNG_S)
        if done.returncode != 0:
            raise Refused(done.stderr.strip())
        return done.stdout

    def apply(self, manifest: dict[str, Any]) -> None:
        self("apply", "-f", "-", stdin=json.dumps(manifest))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        found = self("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found else None

    def names(self, kind: str, *args: str) -> set[str]:
        return set(self("get", kind, "-o", "name", *args).split())

    def patch(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        self("patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any]:
        """The condition, an empty dict if it is not there."""
        return condition(self.get(kind, name) or {}, type_)

    def wait_ready(self, kind: str, name: str) -> None:
        eventually(lambda: self.condition(kind, name, "Ready"), f"{name} has a Ready condition")
        self("wait", "--for=condition=Ready", f"{kind}/{name}", PATIENTLY)

    def wait_applied(self, name: str) -> dict[str, Any]:
        """Wait until the DevServer's present spec is applied; returns its status."""

        def applied() -> dict[str, Any] | None:
            obj = self.get("dvs", name)
            if obj and condition(obj, "Ready").get("observedGeneration") == obj["metadata"]["generation"]:
                return dict(obj["status"])
            return None

        return eventually(applied, f"{name} is applied")

    def children(self, name: str) -> set[str]:
        """Names of all objects that carry the DevServer's name label or are named after it."""
        kinds = "statefulset,service,secret,configmap,persistentvolumeclaim,pod"
        return {item for item in self.names(kinds) if item.split("/")[1].startswith(name)}


def condition(obj: dict[str, Any], type_: str) -> dict[str, Any]:
    """The object's condition of that type, an empty dict if it has none."""
    conditions = obj.get("status", {}).get("conditions", [])
    return next((item for item in conditions if item["type"] == type_), {})


@dataclass(frozen=True)
class SshKey:
    """A key pair on disk."""

    path: Path

    @classmethod
    def make(cls, directory: Path, name: str = "id") -> "SshKey":
        path = directory / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return cls(path)

    @property
    def public(self) -> str:
        return self.path.with_suffix(".pub").read_text().strip()


def devserver(name: str, key: SshKey, **spec: Any) -> dict[str, Any]:
    """A DevServer that takes the default flavor and does not run unless asked to."""
    return {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServer",
        "metadata": {"name": name},
        "spec": {
            "owner": "alice@example.com",
            "image": "local/debian:bookworm",
            "ssh": {"publicKey": key.public},
            "running": False,
            **spec,
        },
    }


@dataclass(frozen=True)
class Login:
    """How real clients reach a DevServer as dev, checking its host keys strictly."""

    host: str
    port: int
    key: SshKey
    known_hosts: Path

    @classmethod
    def to(cls, kube: Kube, name: str, key: SshKey, host: str = "", port: int = 22) -> "Login":
        """Through the SSH Service's address in the cluster, unless another one is named; host keys as in the status."""
        status = (kube.get("dvs", name) or {})["status"]
        host = host or (kube.get("service", status["ssh"]["service"]) or {})["spec"]["clusterIP"]
        known_hosts = key.path.with_name(f"known-hosts-{name}-{host}-{port}")
        known_as = host if port == 22 else f"[{host}]:{port}"
        known_hosts.write_text("".join(f"{known_as} {line}\n" for line in status["ssh"]["hostKeys"]))
        return cls(host, port, key, known_hosts)

    @property
    def address(self) -> str:
        """As ssh, scp, sftp and rsync take it."""
        return f"dev@{self.host}"

    @property
    def options(self) -> list[str]:
        """For each of the clients."""
        options = {
            "BatchMode": "yes",
            # Handshake included.
            "ConnectTimeout": "20",
            # The node's rules for a Service may follow the status by a moment, above all when many pods start at once.
            "ConnectionAttempts": "5",
            "IdentitiesOnly": "yes",
            "Port": str(self.port),
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
        }
        flags = [part for option, value in options.items() for part in ("-o", f"{option}={value}")]
        return ["-F", "none", "-i", str(self.key.path), *flags]

    def command(self, *arguments: str) -> list[str]:
        """An ssh command: options of its own, if any, then the remote command in one piece."""
        *flags, command = arguments
        return ["ssh", *self.options, *flags, self.address, command]

    def ssh(
        self,
        *arguments: str,
        stdin: str = "",
        env: dict[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> str:
        """Standard output of an ssh command, which must succeed."""
        done = self.try_ssh(*arguments, stdin=stdin, env=env, timeout_s=timeout_s)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_ssh(
        self,
        *arguments: str,
        stdin: str = "",
        env: dict[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> subprocess.CompletedProcess[str]:
        """An ssh command that may fail."""
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )


def ssh_command(kube: Kube, name: str, key: SshKey, *flags: str) -> list[str]:
    """ssh to a DevServer, for a command to follow."""
    login = Login.to(kube, name, key)
    return ["ssh", *login.options, *flags, login.address]


def ssh(kube: Kube, name: str, key: SshKey, command: str, timeout_s: float = PATIENCE_S) -> str:
    """Log in to a DevServer and run a command that must succeed; returns standard output."""
    return Login.to(kube, name, key).ssh(command, timeout_s=timeout_s)
