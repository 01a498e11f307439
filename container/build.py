"""Builds the operator's image, as an OCI tar that containerd imports and any registry takes.

    CACHE/container/devserver-reconciler-DIGEST.tar   moved into place whole; DIGEST is that of all it is made of
    CACHE/container/storage-DIGEST/                   buildah's, with the layers that code does not change
    CACHE/container/wheels-DIGEST/                    the locked Python packages, see container/inputs.py
    CACHE/container/.lock                             held while the image is built
    CACHE/container/.work-*/                          work in progress; under the lock, a leftover of a killed run

The Dockerfile is the one that `docker build .` uses. What it would fetch is given to it by mounts: where this
machine's apt gets packages, the wheels, and the tools in the toolchain's cache.
"""

import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import images
import toolchain
from container import inputs
from container.inputs import ROOT
from images.debian import run_isolated
from images.oci import full_name
from toolchain.locks import hold
from toolchain.progress import step

NAME = "local/devserver-reconciler:dev"
_BASE = "local/debian:bookworm"
# What .dockerignore lets in and the two files that say what is done with it, by how often they change.
_SETTLED = ("Dockerfile", ".dockerignore", inputs.LOCK, "toolchain")
_CODE = ("crds", "reconciler", "stacks")


def build() -> Path:
    """The tar of the image; it is built unless there is one of the present sources.

    That takes a minute or two, and a quarter of it where only code has changed. Raises ImageError, and
    ToolchainError if the tools are not installed.
    """
    base = images.tars()[_BASE]
    directory = toolchain.cache_dir() / "container"
    settled = _digest(base.name, _SETTLED)
    tar = directory / f"devserver-reconciler-{_digest(settled, _CODE)}.tar"
    with hold(directory / ".lock", NAME):
        if not tar.exists():
            for leftover in directory.glob(".work-*"):
                shutil.rmtree(leftover)
            wheels = inputs.wheels(directory)
            with step(f"image {NAME}: building"), _storage(directory / f"storage-{settled}") as storage:
                _build(base, wheels, storage, tar)
            for outdated in set(directory.glob("devserver-reconciler-*.tar")) - {tar}:
                outdated.unlink()
    return tar


def _digest(seed: str, sources: tuple[str, ...]) -> str:
    """Twelve hex digits that change with the seed and with every file of the sources."""
    digest = hashlib.sha256(seed.encode())
    for source in sources:
        for file in sorted([ROOT / source, *(ROOT / source).rglob("*")]):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\n".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


@contextmanager
def _storage(storage: Path) -> Iterator[Path]:
    """The directory with the layers of earlier builds; an empty one if the last build did not end well."""
    sound = storage / "sound"
    for other in storage.parent.glob("storage-*"):
        if other != storage or not sound.exists():
            shutil.rmtree(other)
    storage.mkdir(exist_ok=True)
    sound.unlink(missing_ok=True)
    yield storage
    sound.touch()


def _build(base: Path, wheels: Path, storage: Path, tar: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".work-", dir=tar.parent) as work:
        places = (f"--root={storage}/root", f"--runroot={work}/run")
        buildah = partial(run_isolated, "buildah", "--storage-driver=overlay", *places)
        buildah("pull", "--quiet", f"oci-archive:{base}")
        bases = [f"--build-arg={argument}={full_name(_BASE)}" for argument in ("BASE", "BUILD_BASE")]
        mounts = inputs.mounts(Path(work), wheels)
        volumes = [f"--volume={host}:{container}:ro" for host, container in mounts.items()]
        options = ("--layers", "--isolation=chroot", "--pull-never", f"--tag={full_name(NAME)}")
        buildah("bud", *options, *bases, *volumes, ROOT)
        layout = Path(work, "layout")
        buildah("push", "--quiet", full_name(NAME), f"oci:{layout}:{full_name(NAME)}")
        _name_for_containerd(layout / "index.json")
        packed = Path(work, "image.tar")
        with tarfile.open(packed, "w") as archive:
            for path in sorted(layout.rglob("*")):
                archive.add(path, path.relative_to(layout), recursive=False)
        packed.replace(tar)


def _name_for_containerd(index: Path) -> None:
    """buildah names an image for other tools only."""
    content = json.loads(index.read_text())
    for manifest in content["manifests"]:
        manifest["annotations"]["io.containerd.image.name"] = full_name(NAME)
    index.write_text(json.dumps(content))
