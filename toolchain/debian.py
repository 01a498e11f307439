"""The programs that come from Debian's (or Ubuntu's) packages."""

from __future__ import annotations

import glob
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import process
from .cache import cache_dir
from .errors import SourceFailed, ToolchainError
from .locks import hold
from .progress import say, step

SCRIPT = Path(__file__).with_name("apt-install.sh")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Package:
    """A package, and the file that shows that it, or something equal to it, is installed."""

    name: str
    file: str
    """A program to be found on PATH or in the system's directories, or an absolute path, which may be a pattern."""


PACKAGES = (
    # The local cluster's node.
    Package("containerd", "containerd"),
    Package("runc", "runc"),
    Package("containernetworking-plugins", "/usr/lib/cni/bridge"),
    Package("etcd-server", "etcd"),
    Package("iproute2", "ip"),
    Package("iptables", "iptables-restore"),
    Package("procps", "sysctl"),
    Package("conntrack", "conntrack"),
    Package("socat", "socat"),
    # Its images, among them the one that brings sshd into every pod.
    Package("debootstrap", "debootstrap"),
    Package("busybox-static", "busybox"),
    Package("patchelf", "patchelf"),
    Package("musl-tools", "musl-gcc"),
    # The test of the Dockerfile.
    Package("buildah", "buildah"),
    # Faults: a clock that is wrong.
    Package("faketime", "faketime"),
    # The test of external backends.
    Package("postgresql", "/usr/lib/postgresql/*/bin/postgres"),
    # The users' side.
    Package("openssh-client", "ssh"),
    Package("rsync", "rsync"),
)


def missing() -> list[str]:
    """Names of the packages whose programs are not there."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    return [package.name for package in PACKAGES if not _is_there(package.file, path)]


def _is_there(file: str, path: str) -> bool:
    candidates = glob.glob(file) if file.startswith("/") else [file]
    return any(shutil.which(candidate, path=path) for candidate in candidates)


def install_if_root() -> None:
    """Install what is missing if that can be done here, else say what is missing."""
    if not missing() or _can_install():
        install()
    else:
        say(f"the local cluster and the images need Debian packages that are not here: {_by_hand()}")


def install() -> None:
    """Install what is missing. No service of these packages is started or enabled.

    Raises ToolchainError if it cannot be done here, or if apt-get fails.
    """
    if not missing():
        return
    if not _can_install():
        raise ToolchainError(f"installing packages takes root on Debian or Ubuntu. Run there: {_by_hand()}")
    with hold(cache_dir() / ".debian.lock", "Debian packages"):
        if names := missing():
            _apt_install(names)


def _apt_install(names: list[str]) -> None:
    # unshare: the script hides the programs that start services, in a mount namespace of its own, so that
    # nothing has to be undone if it is killed.
    command = ["unshare", "--mount", "--propagation", "private", "sh", str(SCRIPT), *names]
    with step(f"Debian packages {' '.join(names)}: installing"):
        try:
            process.run(command, env={"DEBIAN_FRONTEND": "noninteractive"}, grace_s=60)
        except SourceFailed as error:
            raise ToolchainError(f"{error}\nBy hand: {_by_hand()}") from error
    if still := missing():
        raise ToolchainError(f"apt-get installed {' '.join(still)}, but their programs are not on PATH")


def _can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and _is_debian()


def _is_debian() -> bool:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return "debian" in (release["ID"], *release.get("ID_LIKE", "").split())


def _by_hand() -> str:
    return f"apt-get install --no-install-recommends {' '.join(missing())}"
