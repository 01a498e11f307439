"""The run directory: whose it is, and whose name goes with it."""

import re
from pathlib import Path

import pytest

from reconciler.engine.outcome import EngineError
from reconciler.engine.run_dir import own_run_dir


def test_the_token_stays_with_the_directory(tmp_path: Path) -> None:
    with own_run_dir(tmp_path / "run") as first:
        pass
    with own_run_dir(tmp_path / "run") as second:
        pass
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert second == first


def test_another_directory_has_another_token(tmp_path: Path) -> None:
    with own_run_dir(tmp_path / "one") as one, own_run_dir(tmp_path / "two") as two:
        assert one != two


@pytest.mark.parametrize("content", ["", "0123", "a name\nof two lines", "0123456789abcdeG"])
def test_a_damaged_token_is_replaced(tmp_path: Path, content: str) -> None:
    with own_run_dir(tmp_path):
        pass
    (tmp_path / "token").write_text(content)
    with own_run_dir(tmp_path) as token:
        assert re.fullmatch(r"[0-9a-f]{16}", token)
        assert (tmp_path / "token").read_text() == token


def test_two_processes_never_have_it_at_a_time(tmp_path: Path) -> None:
    with own_run_dir(tmp_path), pytest.raises(EngineError, match="DEVSERVER_RUN_DIR"), own_run_dir(tmp_path):
        pass


def test_what_runs_left_behind_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    with own_run_dir(tmp_path):
        (tmp_path / "runs" / "old").mkdir()
        (tmp_path / "provider.log").write_text("kept")
    with own_run_dir(tmp_path):
        assert list((tmp_path / "runs").iterdir()) == []
        assert (tmp_path / "provider.log").read_text() == "kept"
