"""The images that this project builds for itself, and how."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import debian
from .oci import ImageConfig

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Image:
    """An image and its recipe."""

    name: str
    """As pods name it: "local/NAME:TAG"."""
    summary: str
    fill: Callable[[Path], None]
    """Makes the root filesystem, given the path of a directory that does not exist. Raises ImageError."""
    config: ImageConfig
    sources: tuple[str, ...] = ()
    """Files beside this one that `fill` uses."""

    @property
    def slug(self) -> str:
        """The name for files: "pause-1" for "local/pause:1"."""
        return self.name.removeprefix("local/").replace(":", "-")

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with the recipe; not with the versions that Debian's archive offers."""
        digest = hashlib.sha256(self.name.encode())
        for source in ("recipes.py", "debian.py", "oci.py", *self.sources):
            digest.update((_HERE / source).read_bytes())
        return digest.hexdigest()[:12]


def _pause(rootfs: Path) -> None:
    rootfs.mkdir()
    debian.run_isolated("musl-gcc", "-static", "-Os", "-s", "-o", rootfs / "pause", _HERE / "pause/pause.c")


def _busybox(rootfs: Path) -> None:
    """Neither glibc, bash, useradd, /home nor /tmp: it stands for all images that bring next to nothing."""
    package = rootfs.with_name("package")
    debian.extract_package("busybox-static", package)
    for directory in ("bin", "etc", "root"):
        (rootfs / directory).mkdir(parents=True)
    shutil.copy2(next(package.glob("**/bin/busybox")), rootfs / "bin/busybox")
    debian.run_isolated("chroot", rootfs, "/bin/busybox", "--install", "-s", "/bin")
    (rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="ascii")
    (rootfs / "etc/group").write_text("root:x:0:\n", encoding="ascii")


def _debian(rootfs: Path) -> None:
    debian.bootstrap("bookworm", rootfs)


def _tools(rootfs: Path) -> None:
    bundle = rootfs / "opt/devserver"
    bundle.parent.mkdir(parents=True)
    debian.run_isolated("sh", _HERE / "tools/build.sh", bundle)


IMAGES = (
    Image(
        name="local/pause:1",
        summary="holds the namespaces of a pod",
        fill=_pause,
        config=ImageConfig(entrypoint=("/pause",)),
        sources=("pause/pause.c",),
    ),
    Image(
        name="local/busybox:1",
        summary="a shell and its commands in one static program, nothing else",
        fill=_busybox,
        config=ImageConfig(command=("sh",)),
    ),
    Image(
        name="local/debian:bookworm",
        summary="Debian's minbase and the usual certificates",
        fill=_debian,
        config=ImageConfig(command=("bash",)),
    ),
    Image(
        name="local/devserver-tools:1",
        summary="sshd, doas and a shell for any image",
        fill=_tools,
        config=ImageConfig(
            entrypoint=("/opt/devserver/bin/busybox", "sh", "/opt/devserver/install.sh"), command=("/target",)
        ),
        sources=("tools/build.sh", "tools/fetch_packages.sh", "tools/install.sh", "tools/sudo.sh"),
    ),
)
