"""A DevServerUser made by devctl itself, with a kubeconfig of a token of their own, and a DevServer that runs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pytest

import toolchain
from tests.e2e.conftest import FLAVOR, kube, pytest_runtest_makereport
from tests.e2e.kube import Kube, SshKey
from tests.patience import HUNG_S, PATIENCE_S, PATIENTLY
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import ROOT, SharedCluster

__all__ = ["kube", "pytest_runtest_makereport"]

IMAGE = "local/debian:bookworm"
USER = "alice"
NAMESPACE = f"dev-{USER}"


@dataclass(frozen=True)
class Person:
    """Someone at a machine of their own: a home directory, a key in ~/.ssh, and, perhaps, a kubeconfig."""

    home: Path
    kubeconfig: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Of the person's programs. The tools of the cluster are not on PATH but for kubectl."""
        known = ("PATH", "LANG", "TERM")
        return {
            **{name: os.environ[name] for name in known if name in os.environ},
            "PATH": f"{Path(sys.executable).parent}:{toolchain.bin_dir()}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            # The package may be installed from another checkout.
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            **self.extra,
        }

    def run(
        self, *command: str, stdin: bytes = b"", timeout_s: float = HUNG_S
    ) -> "subprocess.CompletedProcess[str]":
        """A program, with pipes."""
        done = subprocess.run(
            command, env=self.environment, cwd=self.home, input=stdin, capture_output=True, timeout=timeout_s
        )
        return subprocess.CompletedProcess(
            command,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    @contextmanager
    def started(self, *command: str) -> "Iterator[subprocess.Popen[str]]":
        """A program that runs while the block does, with pipes."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=self.environment, cwd=self.home, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        ) as it:
            try:
                yield it
            finally:
                it.terminate()

    def try_devctl(self, *args: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[str]":
        """devctl, which may fail, but never by a traceback."""
        done = self.run(*self.devctl_command(*args), stdin=stdin)
        assert "Traceback" not in done.stderr
        return done

    def devctl(self, *args: str, stdin: bytes = b"") -> str:
        """Standard output of devctl, which must succeed."""
        done = self.try_devctl(*args, stdin=stdin)
        assert done.returncode == 0, f"devctl {' '.join(args)}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def devctl_command(self, *args: str) -> Sequence[str]:
        """The command's line."""
        return [sys.executable, "-m", "devctl", *args]

    def terminal(self, *command: str, columns: int = 120) -> "pexpect.spawn[str]":
        """A program on a terminal of its own."""
        return pexpect.spawn(
            command[0],
            list(command[1:]),
            env=self.environment,
            cwd=str(self.home),
            dimensions=(30, columns),
            encoding="utf-8",
            timeout=PATIENCE_S,
        )

    def ssh(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """The plain ssh client. (It looks for its files in the account's home, not in $HOME.)"""
        return self.run("ssh", "-F", f"{self.home}/.ssh/config", "-o", "BatchMode=yes", *args)


def ended(program: "pexpect.spawn[str]") -> int:
    """Wait for the end of a program on a terminal; returns its exit code. What it still has to say is read."""
    program.expect(pexpect.EOF)
    program.wait()
    assert program.exitstatus is not None
    return program.exitstatus


def person(home: Path, kubeconfig: Path) -> Person:
    """Someone with a key, whose settings name it and an image that the local cluster has."""
    (home / ".ssh").mkdir(mode=0o700)
    SshKey.make(home / ".ssh", "id_ed25519")
    settings = home / ".config/devctl/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'image = "{IMAGE}"\nkey = "~/.ssh/id_ed25519.pub"\n')
    return Person(home, kubeconfig)


@pytest.fixture(scope="package")
def reconciler(
    cluster: SharedCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReconcilerProcess]:
    """The one reconciler of this suite."""
    environment = {
        **cluster.environment(),
        "DEVSERVER_RUN_DIR": f"/dev/shm/devserver-devctl-{os.getpid()}",
        "DEVSERVER_LOG_FORMAT": "console",
    }
    process = ReconcilerProcess(environment, tmp_path_factory.mktemp("reconciler") / "log")
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="package")
def admin(
    cluster: SharedCluster, reconciler: ReconcilerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Person:
    """The administrator. There is a default flavor."""
    cluster.apply(FLAVOR)
    return person(tmp_path_factory.mktemp("admin"), cluster.admin)


@pytest.fixture(scope="package")
def alice(
    admin: Person, cluster: SharedCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    """A DevServerUser with a token of her own."""
    yield from user(USER, admin, cluster, tmp_path_factory.mktemp("alice"))


def user(name: str, admin: Person, cluster: SharedCluster, home: Path) -> Iterator[Person]:
    """A new DevServerUser. All that they made goes in the end, and before, should a run have been cut short."""
    forget(name, cluster)
    cluster.kubectl("wait", "--for=delete", f"namespace/dev-{name}", PATIENTLY)
    admin.devctl("user", "add", name, "--delete")
    admin.devctl("user", "kubeconfig", name, "--file", str(home / "kubeconfig"))
    yield person(home, home / "kubeconfig")
    forget(name, cluster)


def forget(name: str, cluster: SharedCluster) -> None:
    """Delete a user with their DevServers; the namespace goes by itself."""
    cluster.kubectl("delete", "devservers", "--all", f"--namespace=dev-{name}", PATIENTLY)
    cluster.kubectl("delete", "dvsu", name, "--ignore-not-found", PATIENTLY)


@pytest.fixture(scope="package")
def box(alice: Person) -> str:
    """A DevServer of Alice's that runs."""
    assert alice.devctl("create", "box", "--ttl", "2h", "--wait") == "box\n"
    return "box"


@pytest.fixture
def name(alice: Person) -> Iterator[str]:
    """The name of a DevServer that a test makes, and that is gone afterwards."""
    made = f"t-{time.time_ns():x}"
    yield made
    alice.try_devctl("delete", made, "--yes", "--no-wait")


@pytest.fixture
def bound(kube: Kube) -> Kube:
    """The administrator's kubectl in Alice's namespace."""
    return Kube(kube.kubeconfig, NAMESPACE)
