"""The manifests in the repository, and `python -m crds`, which writes and checks them."""

import sys
from pathlib import Path

import pytest

from crds import __main__ as command


def test_the_manifests_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["crds", "--check"])
    assert command.main() == 0


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of manifests, just written."""
    monkeypatch.setattr(command, "MANIFESTS", tmp_path / "manifests")
    monkeypatch.setattr(sys, "argv", ["crds"])
    assert command.main() == 0
    return tmp_path / "manifests"


def check(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["crds", "--check"])
    return command.main()


def test_check_is_content_with_what_was_just_written(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch) == 0


@pytest.mark.parametrize("change", ["edited", "removed", "added"])
def test_check_finds_a_manifest_that_was(
    change: str, written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written / "devservers.yaml"
    if change == "edited":
        file.write_text(file.read_text().replace("maxLength: 253", "maxLength: 254", 1))
    elif change == "removed":
        file.unlink()
    else:
        file = written / "others.yaml"
        file.write_text("kind: CustomResourceDefinition\n")
    before = {path: path.read_text() for path in written.iterdir()}
    assert check(monkeypatch) == 1
    assert file.name in capsys.readouterr().err
    assert {path: path.read_text() for path in written.iterdir()} == before, "--check must not write"


def test_writing_removes_what_is_not_generated_any_more(written: Path) -> None:
    (written / "others.yaml").write_text("")
    assert command.main() == 0
    assert not (written / "others.yaml").exists()
