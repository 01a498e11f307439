"""Files that are written at once as a whole."""

import os
from pathlib import Path

import pytest

from devctl import files


def test_an_interrupted_write_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.replace(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
