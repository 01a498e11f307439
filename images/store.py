"""The built images, kept outside the checkout.

CACHE/images/SLUG-DIGEST.tar   one for each image, moved into place whole; DIGEST is that of the recipe
CACHE/images/SLUG.lock         held while the image is built
CACHE/images/.SLUG-*/          work in progress; under the lock, a leftover of a run that was killed
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolchain import cache_dir
from toolchain.progress import say, step

from .errors import ImageError
from .oci import pack
from .recipes import IMAGES, Image


def tars() -> dict[str, Path]:
    """The tar of every image by the image's name ("local/pause:1"); those missing are built.

    The first time this takes a minute or two, and says so. Raises ImageError.
    """
    return {image.name: build(image) for image in IMAGES}


def find(names: Iterable[str]) -> tuple[Image, ...]:
    """The images of these names, all if there are none. Raises ImageError for a name that is not known."""
    known = {image.name: image for image in IMAGES}
    wanted = list(names) or list(known)
    for name in wanted:
        if name not in known:
            raise ImageError(f"there is no image {name!r}; there are: {', '.join(known)}")
    return tuple(known[name] for name in wanted)


def tar_path(image: Image) -> Path:
    """Where the tar of `image` is, or will be."""
    return _directory() / f"{image.slug}-{image.digest}.tar"


def build(image: Image, *, again: bool = False) -> Path:
    """Build `image` unless it is there, or `again`, to take up newer Debian packages. Raises ImageError."""
    tar = tar_path(image)
    if tar.exists() and not again:
        return tar
    _directory().mkdir(parents=True, exist_ok=True)
    with _locked(image):
        if again or not tar.exists():
            for leftover in _directory().glob(f".{image.slug}-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            with step(f"building image {image.name}"):
                _build(image, tar)
            for outdated in set(_directory().glob(f"{image.slug}-*.tar")) - {tar}:
                outdated.unlink()
    return tar


def _build(image: Image, tar: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{image.slug}-", dir=_directory()) as work:
        rootfs, packed = Path(work, "rootfs"), Path(work, "image.tar")
        image.fill(rootfs)
        pack(rootfs, packed, image.name, image.config)
        packed.replace(tar)


@contextmanager
def _locked(image: Image) -> Iterator[None]:
    """Keep other processes from building `image`. The system drops the lock of a process that dies."""
    with (_directory() / f"{image.slug}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is building image {image.name}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _directory() -> Path:
    return cache_dir() / "images"
