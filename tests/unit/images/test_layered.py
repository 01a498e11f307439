"""An image on top of another holds both, and brings only what is new."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from images import ImageConfig, pack
from images.layered import read_file, stack


@pytest.fixture
def tars(tmp_path: Path) -> tuple[Path, Path]:
    """A base, and what lies above it."""
    made = []
    for name, file, command in (("base", "passwd", "run"), ("upper", ".wh.passwd", "other")):
        etc = tmp_path / name / "etc"
        etc.mkdir(parents=True)
        (etc / file).write_text(name)
        made.append(tmp_path / f"{name}.tar")
        pack(tmp_path / name, made[-1], f"local/{name}:1", ImageConfig(command=(command,)))
    return made[0], made[1]


def blob(tar: Path, descriptor: dict[str, Any]) -> Any:
    return json.loads(content(tar, "blobs/" + descriptor["digest"].replace(":", "/")))


def content(tar: Path, path: str) -> bytes:
    with tarfile.open(tar) as archive:
        member = archive.extractfile(path)
        assert member is not None
        return member.read()


def described(tar: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The image's entry in the index, its manifest and its config."""
    (entry,) = json.loads(content(tar, "index.json"))["manifests"]
    manifest = blob(tar, entry)
    return entry, manifest, blob(tar, manifest["config"])


def test_the_layers_of_both_are_named_and_only_the_upper_one_is_there(
    tars: tuple[Path, Path], tmp_path: Path
) -> None:
    stacked = tmp_path / "stacked.tar"
    stack(*tars, stacked, "local/stacked:2")
    entry, manifest, config = described(stacked)
    layers = [layer for tar in tars for layer in described(tar)[1]["layers"]]
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/local/stacked:2"
    assert manifest["layers"] == layers
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in layers]
    assert len(config["history"]) == 2
    assert config["config"]["Cmd"] == ["run"], "it runs what the base runs"
    with tarfile.open(stacked) as archive:
        names = archive.getnames()
    paths = ["blobs/" + layer["digest"].replace(":", "/") for layer in layers]
    assert [path in names for path in paths] == [False, True]


def test_the_same_tars_give_the_same_bytes(tars: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        stack(*tars, tmp_path / name, "local/stacked:1")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_of_an_image_can_be_read(tars: tuple[Path, Path]) -> None:
    assert read_file(tars[0], "etc/passwd") == b"base"
    with pytest.raises(KeyError):
        read_file(tars[0], "etc/nonesuch")
