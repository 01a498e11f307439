"""The command `python -m reconciler`: how it refuses to start, and how it ends."""

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from reconciler import __main__ as command
from reconciler import app
from reconciler.leaderelection.lease import LeaseLostError
from reconciler.settings import Settings


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command does to its own process is not for this one."""
    monkeypatch.setattr(sys, "argv", ["reconciler"])
    monkeypatch.setattr(command.log, "configure", lambda settings: None)
    for name in ("disable", "freeze", "enable", "set_threshold"):
        monkeypatch.setattr(gc, name, lambda *args: None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEVSERVER_WORKERS", "0"),
        ("DEVSERVER_RUN_DEADLINE_S", "soon"),
        ("DEVSERVER_SSH_SERVICE_TYPE", "ExternalName"),
        ("DEVSERVER_MAX_TIME_TO_LIVE_S", "-1"),
        ("DEVSERVER_LEASE_RENEW_DEADLINE_S", "14.5"),
        ("DEVSERVER_LEASE_RETRY_S", "6"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert command.main() == 2
    assert capsys.readouterr().err.startswith(f"{name}: ")


def test_without_a_cli_the_reconciler_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main() == 1
    assert "make tools" in capsys.readouterr().err


def test_a_process_that_leads_no_more_says_so_and_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(settings: Settings, kinds: object) -> None:
        async def renew() -> None:
            raise LeaseLostError("somebody has the Lease")

        async with asyncio.TaskGroup() as group:
            group.create_task(renew())
            group.create_task(asyncio.sleep(60))

    monkeypatch.setattr(app, "run", run)
    assert command.main() == 1
    assert capsys.readouterr().err == "reconciler: somebody has the Lease\n"
