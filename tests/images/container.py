"""A container without a container engine: namespaces, an overlay, and the mounts and rights that the pod has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from stacks.security import CAPABILITIES
from tests.patience import HUNG_S, PATIENCE_S

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STACK_FILES = ROOT / "stacks/files"
HOST_KEY_TYPES = ("ed25519", "ecdsa")
# Promised for the end; who takes as long as the grace period of a pod, 30 s, is killed.
AT_ONCE_S = 2.0


def unpack(tar: Path, rootfs: Path) -> None:
    """Unpack the one layer of an image made by `images.pack`."""
    rootfs.mkdir(parents=True)
    with tarfile.open(tar) as archive:

        def blob(digest: str) -> bytes:
            member = archive.extractfile("blobs/" + digest.replace(":", "/"))
            assert member is not None
            return member.read()

        index = archive.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.loads(index.read())["manifests"][0]["digest"]))
        layer = blob(manifest["layers"][0]["digest"])
    subprocess.run(["tar", "-x", "-p", "-C", rootfs], input=layer, check=True)


class Container:
    """One container of an image. `start` it; `ssh` into it; `stop` ends it as kubelet would.

    has_root: whether it starts as root; else as dev, in a pod without root.
    """

    def __init__(
        self, directory: Path, layers: list[Path], tools: Path, key: Path, has_root: bool = True
    ) -> None:
        self.has_root = has_root
        self.dir = directory
        self.key = key
        self.log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        (directory / "lower").write_text(":".join(map(str, layers)))
        for name in ("upper", "work", "merged", "keys"):
            (directory / name).mkdir()
        shutil.copytree(tools, directory / "tools", copy_function=os.link)
        if not has_root:
            for made in (directory / "tools" / name for name in ("bin", "lib")):
                os.chown(made, 1000, 1000)
        (directory / "known_hosts").write_text(self._make_host_keys())
        self.publish()

    @property
    def upper(self) -> Path:
        """What the container has changed in its root filesystem; before the start, what the image has besides."""
        return self.dir / "upper"

    def publish(self, keys: str | None = None, motd: str = "Welcome, dev!\n", warnings: str = "\n") -> None:
        """Put a ConfigMap's files in place as kubelet does: by changing one link, in a directory open to all.

        keys: the user's public key, unless told otherwise.
        """
        config = self.dir / "config"
        content = config / f"..{time.monotonic_ns()}"
        content.mkdir(parents=True)
        config.chmod(0o777)
        content.chmod(0o777)
        for name in ("startup.sh", "sshd_config"):
            shutil.copyfile(STACK_FILES / name, content / name)
        (content / "authorized_keys").write_text(
            self.key.with_suffix(".pub").read_text() if keys is None else keys
        )
        (content / "motd").write_text(motd)
        (content / "warnings").write_text(warnings)
        (config / "..new").symlink_to(content.name)
        (config / "..new").rename(config / "..data")
        for file in content.iterdir():
            if not (config / file.name).is_symlink():
                (config / file.name).symlink_to(f"..data/{file.name}")

    def begin(self, environment: Mapping[str, str | bytes] | None = None) -> None:
        """Start it and wait for nothing."""
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            **(environment or {}),
        }
        words = [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in variables.items()]
        capabilities = ",".join(["-all", *(f"+{name.lower()}" for name in CAPABILITIES)])
        if not self.has_root:
            capabilities = "none"
        namespaces = ["--mount", "--propagation", "private", "--pid", "--net", "--fork", "--kill-child"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", *namespaces, "sh", HERE / "container.sh", self.dir, capabilities, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self, environment: Mapping[str, str | bytes] | None = None) -> None:
        """Start it and wait until sshd listens."""
        self.begin(environment)
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE_S
        while "Server listening" not in self.log.read_text(errors="replace"):
            log = self.log.read_text(errors="replace")
            assert self._process.poll() is None, f"the container ended:\n{log}"
            assert time.monotonic() < deadline, f"no sshd in time:\n{log}"
            time.sleep(0.01)

    @property
    def init_pid(self) -> int:
        """Its process 1, as numbered on this machine."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(children.split()[0])

    def stop(self) -> float:
        """Send SIGTERM to process 1 and return the seconds until all is gone."""
        assert self._process is not None
        started = time.monotonic()
        os.kill(self.init_pid, 15)
        self._process.wait(PATIENCE_S)
        return time.monotonic() - started

    def kill(self) -> None:
        """End it at once if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def options(self, key: Path | None = None) -> list[str]:
        """What any OpenSSH client program needs to get in, and to get in nowhere else."""
        words = {
            "IdentityFile": key or self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.dir / "known_hosts",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            # The default is twice as slow, and there are hundreds of logins.
            "KexAlgorithms": "curve25519-sha256",
        }
        return ["-F", "none", *(word for name, value in words.items() for word in ("-o", f"{name}={value}"))]

    def run(
        self, command: Sequence[str | Path], stdin: bytes = b"", agent: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program of this machine in the container's network; `agent` is the socket of an ssh agent."""
        network = ["nsenter", f"--net=/proc/{self.init_pid}/ns/net", "--"]
        environment = {**os.environ, "SSH_AUTH_SOCK": str(agent or "")}
        return subprocess.run(
            [*network, *command], input=stdin, capture_output=True, timeout=HUNG_S, env=environment
        )

    def ssh(self, command: str, options: Sequence[str] = (), agent: Path | None = None) -> str:
        """Run `command` over ssh and return its output. It must succeed."""
        words = ["ssh", *self.options(), *options, "-p", "2222", "dev@127.0.0.1", command]
        done = self.run(words, agent=agent)
        assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode(errors="replace").replace("\r\n", "\n").removesuffix("\n")

    def login(self) -> str:
        """What a session with a terminal shows that ends at once."""
        words = ["ssh", "-tt", *self.options(), "-p", "2222", "dev@127.0.0.1"]
        return self.run(words, stdin=b"exit\n").stdout.decode()

    def open_session(self, command: str, output: Path) -> subprocess.Popen[bytes]:
        """A session with a terminal that stays until it is ended; `output` gets what it shows."""
        words = ["ssh", "-tt", *self.options(), "-p", "2222", "dev@127.0.0.1", command]
        network = ["nsenter", f"--net=/proc/{self.init_pid}/ns/net", "--"]
        with output.open("wb") as shown:
            return subprocess.Popen([*network, *words], stdin=subprocess.PIPE, stdout=shown)

    def _make_host_keys(self) -> str:
        lines = []
        for key_type in HOST_KEY_TYPES:
            path = self.dir / "keys" / f"ssh_host_{key_type}_key"
            subprocess.run(["ssh-keygen", "-q", "-t", key_type, "-N", "", "-f", path], check=True)
            # A Secret's volume with a group (fsGroup) has this mode, which sshd itself would not accept.
            path.chmod(0o440)
            os.chown(path, 0, 1000)
            lines.append(f"[127.0.0.1]:2222 {path.with_suffix('.pub').read_text()}")
        return "".join(lines)
