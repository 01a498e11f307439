"""The images as they are really built: complete, reproducible, and safe to interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import images
from images.store import build, find
from tests.e2e.kube import eventually
from tests.images.container import ROOT, unpack
from tests.patience import HUNG_S, PATIENCE_S

pytestmark = pytest.mark.images


def test_every_image_is_there_and_names_itself() -> None:
    for name, tar in images.tars().items():
        with tarfile.open(tar) as archive:
            index = archive.extractfile("index.json")
            assert index is not None
            assert f'"io.containerd.image.name":"docker.io/{name}"'.encode() in index.read()


def test_debian_fetches_from_where_it_came_from_and_knows_nothing_else_of_this_machine(
    layers: dict[str, list[Path]],
) -> None:
    (debian,) = layers["debian"]
    sources = [path for path in (debian / "etc/apt").rglob("*") if path.suffix in (".list", ".sources")]
    assert [path.name for path in sources] == ["sources.list"]
    assert " bookworm main" in sources[0].read_text()
    for absent in ("etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/log/bootstrap.log"):
        assert not (debian / absent).exists(), absent
    assert not list((debian / "dev").iterdir())
    assert not list((debian / "var/lib/apt/lists").iterdir())
    assert (debian / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100_000


def test_the_bundle_needs_nothing_from_outside(bundle: Path) -> None:
    """Every program names the bundle's loader and finds all its libraries in the bundle."""
    assert (bundle / "bin/doas").stat().st_mode & 0o7777 == 0o4755
    assert bundle.stat().st_mode & 0o777 == 0o755
    for program in (bundle / "bin").iterdir():
        if program.name in ("busybox", "tini", "sudo"):  # static, static, a script
            continue
        loader, path = (
            subprocess.run(
                ["patchelf", option, program], capture_output=True, text=True, check=True
            ).stdout.strip()
            for option in ("--print-interpreter", "--print-rpath")
        )
        assert loader.startswith("/opt/devserver/lib/ld-linux")
        assert path == "/opt/devserver/lib"


@pytest.mark.parametrize("name", ["local/pause:1", "local/busybox:1"])
def test_building_again_gives_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = images.tars()[name].read_bytes()
    monkeypatch.setenv("DEVSERVER_CACHE", str(tmp_path))
    (image,) = find([name])
    assert build(image).read_bytes() == first


def test_pause_collects_orphans_and_ends_when_told(tmp_path: Path) -> None:
    unpack(images.tars()["local/pause:1"], tmp_path / "rootfs")
    pause = tmp_path / "rootfs/pause"
    # Process 1 of a namespace: first a shell, whose orphan is left to pause when the shell becomes it.
    script = "sleep 0.1 & exec $0"
    process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script, pause])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (init := children.read_text().strip()) or Path(f"/proc/{init}/comm").read_text() != "pause\n":
        assert process.poll() is None
    children = Path(f"/proc/{init}/task/{init}/children")
    eventually(lambda: not children.read_text(), "the orphan is collected")
    os.kill(int(init), signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


def test_a_build_that_is_killed_leaves_nothing_behind_and_the_next_one_works(tmp_path: Path) -> None:
    environment = {**os.environ, "DEVSERVER_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "images", "build"]
    process = subprocess.Popen(
        [*command, "local/debian:bookworm"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )

    def has_begun() -> bool:
        assert process.poll() is None
        return any(tmp_path.glob("images/.debian-bookworm-*/rootfs/debootstrap"))

    eventually(has_begun, "debootstrap has begun")
    process.kill()
    process.wait()
    eventually(lambda: not _processes_that_mention(tmp_path), "all processes have ended")
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    # The leftover belongs to another image, and does not stop this one; its own next build removes it.
    subprocess.run(
        [*command, "local/pause:1"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True
    )


def _processes_that_mention(path: Path) -> list[str]:
    lines = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(command_line.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if str(path) in line]


def test_two_builds_at_once_make_one(tmp_path: Path) -> None:
    environment = {**os.environ, "DEVSERVER_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "images", "build", "local/busybox:1"]
    both = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=HUNG_S)[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("done in" in output for output in outputs) == 1
    assert len(list(tmp_path.glob("images/*.tar"))) == 1
