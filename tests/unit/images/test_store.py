"""The store: an image is built once, whole or not at all, and again when its recipe changes."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from images import ImageConfig, ImageError, store
from images.recipes import IMAGES, Image


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEVSERVER_CACHE", str(tmp_path))
    return tmp_path / "images"


def image_of(*contents: str) -> Image:
    """An image whose file holds the next of `contents` each time it is built; without one left, building fails."""
    left = list(contents)

    def fill(rootfs: Path) -> None:
        rootfs.mkdir()
        if not left:
            raise ImageError("local/thing:1: nothing left")
        (rootfs / "file").write_text(left.pop(0))

    return Image(name="local/thing:1", summary="a thing", fill=fill, config=ImageConfig())


def test_an_image_is_built_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = image_of("once")
    tar = store.build(image)
    assert tar.parent == cache
    assert tar.name.startswith("thing-1-")
    assert "building image local/thing:1: done in" in capsys.readouterr().out
    assert store.build(image) == tar
    assert capsys.readouterr().out == ""


def test_again_replaces_it(cache: Path) -> None:
    image = image_of("first", "second")
    first = store.build(image).read_bytes()
    assert store.build(image, again=True).read_bytes() != first
    assert len(list(cache.glob("*.tar"))) == 1


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    with pytest.raises(ImageError, match="nothing left"):
        store.build(image_of())
    assert [path.name for path in cache.iterdir()] == ["thing-1.lock"]


def test_a_failed_build_keeps_what_was_there(cache: Path) -> None:
    image = image_of("only")
    tar = store.build(image)
    with pytest.raises(ImageError):
        store.build(image, again=True)
    assert tar.exists()


def test_what_a_killed_build_left_and_the_tar_of_an_older_recipe_are_removed(cache: Path) -> None:
    (cache / ".thing-1-abc/rootfs").mkdir(parents=True)
    for name in ("thing-1-000000000000.tar", "other-1-000000000000.tar"):
        (cache / name).touch()
    tar = store.build(image_of("new"))
    assert {path.name for path in cache.iterdir()} == {tar.name, "thing-1.lock", "other-1-000000000000.tar"}


def test_a_build_waits_for_another_and_takes_its_result(cache: Path) -> None:
    image = image_of()
    cache.mkdir()
    with ThreadPoolExecutor() as pool:
        with (cache / "thing-1.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting = pool.submit(store.build, image)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            store.tar_path(image).touch()
        assert waiting.result(5) == store.tar_path(image)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        ImageError, match=r"no image 'nginx'; there are: local/pause:1, local/busybox:1, .*tools:1"
    ):
        store.find(["local/pause:1", "nginx"])


def test_no_name_means_all() -> None:
    assert store.find([]) == IMAGES
