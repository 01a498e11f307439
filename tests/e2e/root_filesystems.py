"""Images whose root filesystems differ in all that a start script can stumble over, made of Debian's packages.

Most are a thin layer on one of the node's images. The layers are built once and kept, as the project's images are.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import images
import localcluster
from images import ImageConfig, debian
from images.layered import read_file, stack
from images.recipes import Image
from images.store import build, find
from tests import shared_cluster

_HERE = Path(__file__).parent
_RED_HAT = (_HERE / "red_hat.sh", _HERE.parents[1] / "images/tools/fetch_packages.sh")
_DEBIAN, _BUSYBOX = "local/debian:bookworm", "local/busybox:1"

# screen has a script to run when it is installed, and needs the other, which holds a program that is setgid to a group.
PACKAGES = ("screen", "libutempter0")


@dataclass(frozen=True)
class RootFilesystem:
    """One of them. name: fit for a DevServer; image: as pods name it; says: what the start script logs about it.

    fill: makes it, or the layer on the image `base`; None for an image that the node has.
    """

    name: str
    image: str
    says: tuple[str, ...] = ()
    fill: Callable[[Path], None] | None = None
    base: str | None = None

    def tar(self, directory: Path) -> Path | None:
        """What the node must import, made below `directory`; None if it has the image anyway."""
        if self.fill is None:
            return None
        layer = build(
            Image(
                name=self.image,
                summary=self.name,
                fill=self.fill,
                config=ImageConfig(),
                sources=(str(Path(__file__)), *map(str, _RED_HAT)),
            )
        )
        if self.base is None:
            return layer
        (base,) = find([self.base])
        tar = directory / f"{self.image.rpartition('/')[2]}.tar"
        stack(build(base), layer, tar, self.image)
        return tar


def load(root_filesystems: tuple[RootFilesystem, ...], directory: Path) -> None:
    """Bring the images to the node, which keeps those that it has. directory: for the tars."""
    tars = [tar for item in root_filesystems if (tar := item.tar(directory)) is not None]
    localcluster.load(tars, shared_cluster.settings())


def _accounts(rootfs: Path, **lines: str) -> None:
    """Add a line to files in Debian's /etc."""
    (rootfs / "etc").mkdir(parents=True, exist_ok=True)
    for file, line in lines.items():
        path = rootfs / "etc" / file
        path.write_bytes(read_file(images.tars()[_DEBIAN], f"etc/{file}") + line.encode() + b"\n")
        path.chmod(0o640 if file == "shadow" else 0o644)


def _home(rootfs: Path, name: str, uid: int) -> None:
    home = rootfs / "home" / name
    home.mkdir(parents=True)
    (home / "of-old").write_text("kept\n")
    for path in (home, home / "of-old"):
        os.chown(path, uid, uid)


def _ubuntu(rootfs: Path) -> None:
    _accounts(
        rootfs,
        passwd="ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash",
        group="ubuntu:x:1000:",
        shadow="ubuntu:!:19876:0:99999:7:::",
    )
    _home(rootfs, "ubuntu", 1000)


def _other_dev(rootfs: Path) -> None:
    _accounts(
        rootfs,
        passwd="dev:x:1234:1234::/home/dev:/bin/sh",
        group="dev:x:1234:",
        shadow="dev:!:19876:0:99999:7:::",
    )
    _home(rootfs, "dev", 1234)


def _sudo(rootfs: Path) -> None:
    debian.extract_package("sudo", rootfs)
    # A directory here would take the place of the image's link to usr/lib.
    for superfluous in ("lib", "usr/share"):
        shutil.rmtree(rootfs / superfluous)
    for package in rootfs.glob("*.deb"):
        package.unlink()


def _no_accounts(rootfs: Path) -> None:
    (rootfs / "etc").mkdir(parents=True)
    for file in ("passwd", "group", "shadow", "gshadow"):
        (rootfs / f"etc/.wh.{file}").touch()


def _red_hat(rootfs: Path) -> None:
    debian.run_isolated("sh", _RED_HAT[0], rootfs)


def _repository(rootfs: Path) -> None:
    """A repository of real packages, the only one that the image's apt knows."""
    repository = rootfs / "repository"
    repository.mkdir(parents=True)
    download = 'cd "$1" && shift && apt-get download -qq -o APT::Sandbox::User=root "$@"'
    debian.run_isolated("sh", "-c", download, "sh", repository, *PACKAGES)
    index = ""
    for package in sorted(repository.glob("*.deb")):
        about = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=True)
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        index += (
            f"{about.stdout.strip()}\nFilename: ./{package.name}\n"
            f"Size: {package.stat().st_size}\nSHA256: {digest}\n\n"
        )
    (repository / "Packages").write_text(index)
    sources = rootfs / "etc/apt/sources.list"
    sources.parent.mkdir(parents=True)
    sources.write_text("deb [trusted=yes] file:/repository ./\n")


ROOT_FILESYSTEMS = (
    RootFilesystem("debian", _DEBIAN),
    RootFilesystem(
        "user-1000",
        "local/rootfs-ubuntu:1",
        ("user ubuntu has id 1000: now a second name of dev", "group ubuntu has id 1000: now a second name"),
        _ubuntu,
        _DEBIAN,
    ),
    RootFilesystem(
        "group-1000",
        "local/rootfs-group:1",
        ("group developers has id 1000: now a second name of dev",),
        partial(_accounts, group="developers:x:1000:www-data"),
        _DEBIAN,
    ),
    RootFilesystem(
        "another-dev",
        "local/rootfs-dev:1",
        ("user dev had id 1234, now 1000", "group dev had id 1234, now 1000"),
        _other_dev,
        _DEBIAN,
    ),
    RootFilesystem("sudo", "local/rootfs-sudo:1", (), _sudo, _DEBIAN),
    RootFilesystem("busybox", _BUSYBOX),
    RootFilesystem("no-accounts", "local/rootfs-none:1", (), _no_accounts, _DEBIAN),
    RootFilesystem("red-hat", "local/rootfs-redhat:1", (), _red_hat),
)
WITH_REPOSITORY = RootFilesystem(
    "repository",
    "local/rootfs-repository:1",
    fill=_repository,
    base=_DEBIAN,
)
