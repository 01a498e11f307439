"""Directories are made at once and removed whole."""

from pathlib import Path

import pytest

from localcluster.paths import created_at_once, discard


def test_a_directory_that_is_made_at_once_is_not_there_when_making_it_failed(tmp_path: Path) -> None:
    target = tmp_path / "cluster"
    with pytest.raises(FileNotFoundError), created_at_once(target) as draft:
        (draft / "no such directory" / "half").touch()
    assert not target.exists()
    with created_at_once(target) as draft:
        (draft / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["cluster", "whole"]
    assert target.stat().st_mode & 0o777 == 0o700


def test_a_removal_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".cluster.old" / "left").mkdir(parents=True)
    (tmp_path / "cluster" / "new").mkdir(parents=True)
    discard(tmp_path / "cluster")
    assert list(tmp_path.iterdir()) == []
    discard(tmp_path / "cluster")


def test_a_removal_does_not_follow_links(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "link").symlink_to(precious)
    discard(tmp_path / "cluster")
    assert (precious / "file").exists()
