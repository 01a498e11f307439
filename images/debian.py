"""Root filesystems from Debian packages, fetched from where this machine's apt fetches its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from toolchain.errors import SourceFailed
from toolchain.process import run

from .errors import ImageError
from .oci import MTIME_S

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# What a fresh system holds that is of this machine, of the moment, or of no use in a container; as glob patterns.
SUPERFLUOUS = (
    "dev/*",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/*-",
    "run/*",
    "tmp/*",
    "usr/share/doc/*/[!c]*",  # copyright stays
    "usr/share/doc/*/changelog*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
)


def run_isolated(*command: str | Path) -> None:
    """Run `command` so that nothing of it is left when it ends or this process is killed, however that happens.

    It has its own process and mount namespaces: its processes and mounts go with its first process, which goes
    with this one. Raises ImageError with the end of its output; needs root.
    """
    if os.geteuid() != 0:
        raise ImageError("building images needs root: they hold files of several owners")
    own_namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    environment = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "SOURCE_DATE_EPOCH": str(MTIME_S)}
    try:
        run(
            ["setpriv", "--pdeathsig", "KILL", *own_namespaces, *command],
            env={**_apt_proxies(), **environment},
        )
    except SourceFailed as error:
        raise ImageError(f"{command[0]}: {error}") from error


def bootstrap(suite: str, rootfs: Path) -> None:
    """Make `rootfs`, a small Debian `suite` ("bookworm") that trusts the usual certificates. Raises ImageError."""
    run_isolated(
        "debootstrap",
        "--variant=minbase",
        "--include=ca-certificates",
        "--force-check-gpg",
        f"--keyring={KEYRING}",
        suite,
        rootfs,
        *mirror(suite),
    )
    for pattern in SUPERFLUOUS:
        for path in rootfs.glob(pattern):
            _remove(path)


def mirror(suite: str) -> list[str]:
    """The address that this machine's apt has for Debian's `suite`; nothing leaves it to debootstrap.

    apt itself is asked, so that both formats of its sources are understood. The image's own apt uses it too.
    """
    filters = ["Created-By: Packages", "Component: main", f"Release: {suite}"]
    known = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *filters]).split()
    usable = [address for address in known if address.startswith(("http://", "https://", "file:/"))]
    return usable[:1]


def _apt_proxies() -> dict[str, str]:
    """apt's proxies as environment variables, for the programs that do not read apt's settings."""
    proxies = {
        f"{scheme}_proxy": run(["apt-config", "dump", "--format", "%v", f"Acquire::{scheme}::Proxy"]).strip()
        for scheme in ("http", "https")
    }
    return {name: address for name, address in proxies.items() if address not in ("", "DIRECT")}


def extract_package(package: str, directory: Path) -> None:
    """Unpack the files of the Debian `package` below `directory`, and run none of its scripts. Raises ImageError."""
    script = 'cd "$1" && apt-get download -qq -o APT::Sandbox::User=root "$2" && dpkg-deb --extract ./*.deb .'
    directory.mkdir()
    run_isolated("sh", "-c", script, "sh", directory, package)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
