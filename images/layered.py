"""Images on top of others: one thin layer more, so that they cost next to nothing to build, keep and import."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from .oci import _add, _blob_path, _descriptor, _digest, _index, _json


def stack(base: Path, upper: Path, tar: Path, name: str) -> None:
    """Write `tar`, the image `name`: that of `base` with the layer of `upper` on top. It runs what `base` runs.

    Both are tars by `pack`. A file `.wh.NAME` in `upper` takes NAME away. The layers of `base` are not in `tar`: who
    imports it has imported `base` before. The same tars give the same bytes. Raises OSError.
    """
    with tarfile.open(base) as below, tarfile.open(upper) as above:
        manifest, config = _described(below)
        thin_manifest, thin_config = _described(above)
        layers = [_read(above, _blob_path(layer["digest"])) for layer in thin_manifest["layers"]]
    config["rootfs"]["diff_ids"] += thin_config["rootfs"]["diff_ids"]
    config["history"] += thin_config["history"]
    config_json = _json(config)
    manifest["config"] = _descriptor(manifest["config"]["mediaType"], _digest(config_json), len(config_json))
    manifest["layers"] += thin_manifest["layers"]
    manifest_json = _json(manifest)
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json(_index(manifest_json, name)))
        for blob in (manifest_json, config_json, *layers):
            _add(archive, _blob_path(_digest(blob)), blob)


def read_file(image: Path, path: str) -> bytes:
    """The content of the file `path` ("etc/passwd") in the image that `pack` made. Raises KeyError if there is none."""
    with tarfile.open(image) as archive:
        manifest, _ = _described(archive)
        layer = archive.extractfile(_blob_path(manifest["layers"][0]["digest"]))
        assert layer is not None
        with tarfile.open(fileobj=layer) as files:
            return _read(files, path)


def _described(archive: tarfile.TarFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and config of the one image in an archive."""
    index = json.loads(_read(archive, "index.json"))
    manifest = json.loads(_read(archive, _blob_path(index["manifests"][0]["digest"])))
    return manifest, json.loads(_read(archive, _blob_path(manifest["config"]["digest"])))


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.extractfile(path)
    if member is None:
        raise KeyError(path)
    return member.read()
