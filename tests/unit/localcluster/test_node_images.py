"""Images in tars, as the node reads them."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from localcluster.errors import LocalClusterError
from localcluster.node_images import describe


def image_tar(path: Path, index: object) -> Path:
    content = json.dumps(index).encode()
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("index.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def test_a_tar_tells_its_images_and_their_digests(tmp_path: Path) -> None:
    manifest = {
        "digest": "sha256:1234",
        "annotations": {"io.containerd.image.name": "docker.io/local/a:1"},
    }
    tar = image_tar(tmp_path / "a.tar", {"manifests": [manifest]})
    assert describe(tar) == {"docker.io/local/a:1": "sha256:1234"}


@pytest.mark.parametrize("index", [{}, {"manifests": [{"digest": "sha256:1"}]}, []])
def test_a_tar_without_named_images_is_refused_by_name(tmp_path: Path, index: object) -> None:
    with pytest.raises(LocalClusterError, match=r"odd\.tar is no OCI-layout tar"):
        describe(image_tar(tmp_path / "odd.tar", index))


def test_a_file_that_is_no_tar_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("text")
    with pytest.raises(LocalClusterError, match=r"text\.tar is no OCI-layout tar"):
        describe(tmp_path / "text.tar")
