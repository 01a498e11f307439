"""The packer: what it writes is an image by the OCI's rules, and the same each time."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from images import ImageConfig, pack

CONFIG = ImageConfig(entrypoint=("/run",), command=("it",), env=("PATH=/bin", "A=b c"))


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    """A tree with one of everything."""
    root = tmp_path / "rootfs"
    (root / "bin").mkdir(parents=True)
    (root / "empty").mkdir(mode=0o700)
    program = root / "bin/program"
    program.write_bytes(b"#!program")
    program.chmod(0o4755)
    os.link(program, root / "bin/same")
    (root / "link").symlink_to("/nowhere")
    os.mkfifo(root / "fifo")
    (root / "Grüße \x1b").write_text("odd name")
    (root / os.fsdecode(b"\xff")).write_text("not even UTF-8")
    return root


class Packed:
    """What is in a packed image, with every digest checked on the way."""

    def __init__(self, tar: Path) -> None:
        with tarfile.open(tar) as archive:
            self.members = {member.name: member for member in archive}
            self.content = {name: self._read(archive, name) for name in self.members}
        self.index = json.loads(self.content["index.json"])
        (self.entry,) = self.index["manifests"]
        self.manifest = json.loads(self.blob(self.entry))
        self.config = json.loads(self.blob(self.manifest["config"]))
        (self.layer,) = self.manifest["layers"]

    @staticmethod
    def _read(archive: tarfile.TarFile, name: str) -> bytes:
        content = archive.extractfile(name)
        assert content is not None
        return content.read()

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        kind, _, digest = descriptor["digest"].partition(":")
        content = self.content[f"blobs/{kind}/{digest}"]
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) == descriptor["size"]
        return content


def test_the_layout_is_complete_and_its_digests_are_right(rootfs: Path, tmp_path: Path) -> None:
    pack(rootfs, tmp_path / "image.tar", "local/thing:1", CONFIG)
    packed = Packed(tmp_path / "image.tar")
    assert len(packed.members) == 5
    assert json.loads(packed.content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert packed.manifest["schemaVersion"] == packed.index["schemaVersion"] == 2
    assert packed.layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    assert packed.config["rootfs"] == {"type": "layers", "diff_ids": [packed.layer["digest"]]}
    assert hashlib.sha256(packed.blob(packed.layer)).hexdigest() in packed.layer["digest"]


def test_containerd_and_buildah_learn_the_name(rootfs: Path, tmp_path: Path) -> None:
    pack(rootfs, tmp_path / "image.tar", "local/thing:1", CONFIG)
    assert Packed(tmp_path / "image.tar").entry["annotations"] == {
        "io.containerd.image.name": "docker.io/local/thing:1",
        "org.opencontainers.image.ref.name": "docker.io/local/thing:1",
    }


def test_the_config_says_what_runs(rootfs: Path, tmp_path: Path) -> None:
    pack(rootfs, tmp_path / "image.tar", "local/thing:1", CONFIG)
    config = Packed(tmp_path / "image.tar").config
    assert config["os"] == "linux"
    assert config["architecture"] in ("amd64", "arm64")
    assert config["config"] == {"Entrypoint": ["/run"], "Cmd": ["it"], "Env": ["PATH=/bin", "A=b c"]}


def test_unless_told_otherwise_it_only_has_a_path(rootfs: Path, tmp_path: Path) -> None:
    pack(rootfs, tmp_path / "image.tar", "local/thing:1", ImageConfig())
    config = Packed(tmp_path / "image.tar").config["config"]
    assert config == {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}


def test_files_keep_mode_owner_kind_and_hard_links(rootfs: Path, tmp_path: Path) -> None:
    pack(rootfs, tmp_path / "image.tar", "local/thing:1", CONFIG)
    packed = Packed(tmp_path / "image.tar")
    (tmp_path / "layer.tar").write_bytes(packed.blob(packed.layer))
    with tarfile.open(tmp_path / "layer.tar") as layer:
        members = {member.name: member for member in layer}
    assert list(members) == sorted(members)
    assert set(members) == {str(path.relative_to(rootfs)) for path in rootfs.rglob("*")}
    assert members["bin/program"].mode == 0o4755
    assert members["empty"].mode == 0o700
    assert members["bin/same"].islnk()
    assert members["bin/same"].linkname == "bin/program"
    assert members["link"].linkname == "/nowhere"
    assert members["fifo"].isfifo()
    assert {(member.uid, member.gid) for member in members.values()} == {(os.getuid(), os.getgid())}
    assert {member.uname + member.gname for member in members.values()} == {""}


def test_times_and_the_order_on_the_disk_do_not_matter(rootfs: Path, tmp_path: Path) -> None:
    pack(rootfs, tmp_path / "first.tar", "local/thing:1", CONFIG)
    os.utime(rootfs / "bin/program", (1, 1))
    (rootfs / "empty").rmdir()
    (rootfs / "empty").mkdir(mode=0o700)
    pack(rootfs, tmp_path / "second.tar", "local/thing:1", CONFIG)
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_nothing_else_is_left_beside_the_tar_even_after_a_failure(rootfs: Path, tmp_path: Path) -> None:
    pack(rootfs, tmp_path / "image.tar", "local/thing:1", CONFIG)
    (tmp_path / "blocked.tar").mkdir()
    with pytest.raises(IsADirectoryError):
        pack(rootfs, tmp_path / "blocked.tar", "local/thing:1", CONFIG)
    assert {path.name for path in tmp_path.iterdir()} == {"rootfs", "image.tar", "blocked.tar"}
