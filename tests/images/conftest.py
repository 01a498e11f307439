"""Real images, and containers of them that need no container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import images
from tests.images.container import Container, unpack


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, mounts, and files of several owners")


@pytest.fixture(scope="session")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that is removed at the end: what is in it is too large for pytest's kept directories."""
    directory = tmp_path_factory.mktemp("containers")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def layers(workdir: Path) -> dict[str, list[Path]]:
    """Unpacked images by short name, upper layers first: two real ones and two made awkward."""
    tars = images.tars()
    debian, busybox = workdir / "debian", workdir / "busybox"
    unpack(tars["local/debian:bookworm"], debian)
    unpack(tars["local/busybox:1"], busybox)

    # An image whose user 1000 exists under another name, and is locked, as in ubuntu:24.04.
    ubuntu = workdir / "ubuntu/etc"
    ubuntu.mkdir(parents=True)
    for name, line in {
        "passwd": "ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash",
        "group": "ubuntu:x:1000:",
        "shadow": "ubuntu:!:19876:0:99999:7:::",
    }.items():
        (ubuntu / name).write_text((debian / "etc" / name).read_text() + line + "\n")

    # One that brings no accounts at all.
    bare = workdir / "bare"
    shutil.copytree(busybox, bare, symlinks=True)
    shutil.rmtree(bare / "etc")
    return {"debian": [debian], "busybox": [busybox], "ubuntu": [ubuntu.parent, debian], "bare": [bare]}


@pytest.fixture(scope="session")
def tools(workdir: Path) -> Path:
    """The tools image, unpacked."""
    rootfs = workdir / "tools"
    unpack(images.tars()["local/devserver-tools:1"], rootfs)
    return rootfs


@pytest.fixture(scope="session")
def bundle(tools: Path) -> Path:
    """What the tools image's init container puts into the pod's volume, over the rest of an attempt cut short."""
    target = tools / "target"
    target.mkdir()
    target.chmod(0o777)
    _install(tools, target)
    (target / "bin/sshd").write_bytes(b"cut short")
    (target / "lib/libc.so.6").unlink()
    _install(tools, target)
    return target


@pytest.fixture(scope="session")
def rootless_bundle(tools: Path) -> Path:
    """The same in a pod without root, whose volumes belong to a group."""
    target = tools / "rootless-target"
    target.mkdir()
    os.chown(target, 0, 1000)
    target.chmod(0o2777)
    for _ in range(2):
        _install(tools, target, "--userspec=1000:1000", "--groups=1000")
    return target


def _install(tools: Path, target: Path, *user: str) -> None:
    """Run the tools image's command with the rights that its init container has."""
    capabilities = "-all,+setgid,+setuid,+sys_chroot"  # for chroot here, not for the command
    command = ["/opt/devserver/bin/busybox", "sh", "/opt/devserver/install.sh", f"/{target.name}"]
    subprocess.run(
        ["setpriv", "--bounding-set", capabilities, "--no-new-privs", "chroot", *user, tools, *command],
        check=True,
    )


@pytest.fixture(scope="session")
def key(workdir: Path) -> Path:
    """The private key of the user; the public one is beside it."""
    path = workdir / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def new_container(
    workdir: Path, layers: dict[str, list[Path]], bundle: Path, key: Path
) -> Iterator[Callable[[str], Container]]:
    """Makes containers of an image by its short name; they end with the test."""
    made: list[Container] = []
    numbers = count()

    def make(image: str) -> Container:
        container = Container(workdir / f"container-{next(numbers)}", layers[image], bundle, key)
        made.append(container)
        return container

    yield make
    for container in made:
        container.kill()
        shutil.rmtree(container.dir)


@pytest.fixture(params=["debian", "busybox", "bare"])
def started(request: pytest.FixtureRequest, new_container: Callable[[str], Container]) -> Container:
    """A running container, of images that differ in more than their users, in turn."""
    container = new_container(request.param)
    container.start()
    return container
