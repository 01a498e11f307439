"""The node's images: imported from OCI-layout tars, as there is no registry."""

import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from localcluster.errors import CommandFailed, LocalClusterError
from localcluster.namespaces import entered
from localcluster.paths import Paths
from localcluster.progress import step

_CTR = ("ctr", "--namespace=k8s.io", "images")
_NAME_ANNOTATION = "io.containerd.image.name"


def load(paths: Paths, tars: Sequence[Path]) -> list[str]:
    """Import the images of those tars that the node does not have yet; returns the names of the imported."""
    present = _present(paths)
    imported = []
    for tar in tars:
        wanted = describe(tar)
        missing = [name for name, digest in wanted.items() if present.get(name) != digest]
        if missing:
            with step(f"image {', '.join(name.removeprefix('docker.io/') for name in missing)}"):
                _import(paths, tar)
            imported += missing
    return imported


def describe(tar: Path) -> dict[str, str]:
    """The digests of the images in a tar by their full names.

    Raises:
        LocalClusterError: the tar is no OCI layout, or an image in it has no name.
    """
    try:
        with tarfile.open(tar) as archive:
            member = archive.extractfile("index.json")
            manifests = json.load(member)["manifests"] if member else []
        images = {manifest["annotations"][_NAME_ANNOTATION]: manifest["digest"] for manifest in manifests}
    except (OSError, tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise LocalClusterError(
            f"{tar} is no OCI-layout tar whose index.json names its images by {_NAME_ANNOTATION}: {error!r}"
        ) from error
    return images


def _present(paths: Paths) -> dict[str, str]:
    done = subprocess.run([*entered(paths), *_CTR, "list"], capture_output=True, text=True)
    if done.returncode:
        raise CommandFailed(f"the node's images cannot be listed: {done.stderr.strip()}")
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return {name: digest for name, _type, digest, *_ in rows}


def _import(paths: Paths, tar: Path) -> None:
    # By standard input, since the tar may lie where the namespaces have another directory.
    with tar.open("rb") as content:
        done = subprocess.run(
            [*entered(paths), *_CTR, "import", "-"], stdin=content, capture_output=True, text=True
        )
    if done.returncode:
        raise CommandFailed(f"{tar} cannot be imported: {done.stderr.strip()}")
