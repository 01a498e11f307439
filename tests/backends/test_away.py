"""A backend that cannot be reached: told as such, without the password that its address holds."""

import asyncio
import logging
import socket
from pathlib import Path

import pytest

import toolchain
from reconciler.engine.backend import ExternalBackend
from reconciler.engine.setup import open_engine
from reconciler.settings import Settings
from reconciler.state.checkpoint import empty
from reconciler.state.encryption_keys import Keys
from reconciler.status.errors import TransientError

PASSWORD = "s3cr3t-of-the-backend"


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as once:
        once.bind(("127.0.0.1", 0))
        return int(once.getsockname()[1])


@pytest.mark.parametrize(
    "url",
    [
        f"postgres://ada:{PASSWORD}@127.0.0.1:{{port}}/states?sslmode=disable",
        f"postgres://ada:{PASSWORD} with a space@127.0.0.1:{{port}}/states",
        f"file:///none-such/{PASSWORD}",
    ],
    ids=["nobody listens", "not even an address", "no such directory"],
)
def test_a_backend_that_is_away_is_told_of_without_its_password(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(toolchain.bin_dir()), prepend=":")
    settings = Settings(
        engine_mode="cli",
        run_dir=tmp_path / "run",
        pulumi_home=toolchain.pulumi_home(),
        backend_url=url.format(port=closed_port()),
        run_deadline_s=30,
    )
    with caplog.at_level(logging.DEBUG), open_engine(settings) as engine:
        backend = engine.backend
        assert isinstance(backend, ExternalBackend)
        keys = Keys("a passphrase", asyncio.run(engine.make_salt("a passphrase")))
        with pytest.raises(TransientError, match="The state backend failed") as error:
            asyncio.run(engine.with_backend("devserver-1", keys, backend.find))
        outcome = asyncio.run(engine.up("devserver-1", lambda: None, empty("devserver-1"), keys))
    assert error.value.reason == "BackendFailed"
    assert outcome.error is not None
    assert outcome.error.reason == "BackendFailed"
    assert outcome.checkpoint is None
    if url.startswith("postgres"):
        shown = f"{error.value.message} {outcome.error.message} {caplog.text} {settings!r}"
        assert PASSWORD not in shown
