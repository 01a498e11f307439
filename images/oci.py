"""Packs a directory into an image: an OCI image layout with one layer, in a tar.

The same directory gives the same bytes. containerd imports such a tar (`ctr images import`), and buildah pulls it
(`buildah pull oci-archive:TAR`). The layer is not compressed: these tars never travel, and compression does not make
the import any faster.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Any fixed time will do that is not before 1980, the first year that zip archives can tell.
CREATED = "2020-01-01T00:00:00Z"
MTIME_S = 1577836800

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MEDIA_TYPE = "application/vnd.oci.image"


@dataclass(frozen=True)
class ImageConfig:
    """What a container of the image runs, unless told otherwise."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = (f"PATH={DEFAULT_PATH}",)
    """NAME=VALUE words."""


def full_name(name: str) -> str:
    """The name under which container runtimes know the image `name`, such as "local/pause:1"."""
    return f"docker.io/{name}"


def pack(rootfs: Path, tar: Path, name: str, config: ImageConfig) -> None:
    """Write `tar`, the image `name` ("local/NAME:TAG") with all that is below `rootfs`.

    Owners (by number), modes and hard links are kept; times are fixed, extended attributes and sockets left out.
    `tar` is written in place; beside it TAR.layer exists for a while. Raises OSError.
    """
    layer = tar.with_name(f"{tar.name}.layer")
    try:
        _write_layer(rootfs, layer)
        with layer.open("rb") as content:
            layer_digest = "sha256:" + hashlib.file_digest(content, "sha256").hexdigest()
        config_json = _json(_config(config, layer_digest))
        layer_blob = _descriptor(f"{_MEDIA_TYPE}.layer.v1.tar", layer_digest, layer.stat().st_size)
        manifest_json = _json(_manifest(config_json, layer_blob))
        with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add(archive, "index.json", _json(_index(manifest_json, name)))
            for blob in (manifest_json, config_json):
                _add(archive, _blob_path(_digest(blob)), blob)
            with layer.open("rb") as content:
                member = tarfile.TarInfo(_blob_path(layer_digest))
                member.size, member.mtime = layer.stat().st_size, MTIME_S
                archive.addfile(member, content)
    finally:
        layer.unlink(missing_ok=True)


def _write_layer(rootfs: Path, layer: Path) -> None:
    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(rootfs.rglob("*")):
            archive.add(path, str(path.relative_to(rootfs)), recursive=False, filter=_without_chance)


def _without_chance(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = MTIME_S
    member.uname = member.gname = ""
    return member


def _config(config: ImageConfig, layer_digest: str) -> dict[str, Any]:
    process = {"Env": config.env, "Entrypoint": config.entrypoint, "Cmd": config.command}
    return {
        "created": CREATED,
        "architecture": _ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {key: value for key, value in process.items() if value},
        # A digest of the layer before compression; there is none.
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        "history": [{"created": CREATED}],
    }


def _manifest(config_json: bytes, layer_blob: dict[str, Any]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA_TYPE}.manifest.v1+json",
        "config": _descriptor(f"{_MEDIA_TYPE}.config.v1+json", _digest(config_json), len(config_json)),
        "layers": [layer_blob],
    }


def _index(manifest_json: bytes, name: str) -> dict[str, Any]:
    manifest = _descriptor(f"{_MEDIA_TYPE}.manifest.v1+json", _digest(manifest_json), len(manifest_json))
    manifest["annotations"] = {
        "io.containerd.image.name": full_name(name),
        "org.opencontainers.image.ref.name": full_name(name),
    }
    return {"schemaVersion": 2, "mediaType": f"{_MEDIA_TYPE}.index.v1+json", "manifests": [manifest]}


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mtime = len(content), MTIME_S
    archive.addfile(member, io.BytesIO(content))
