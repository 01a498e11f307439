"""Engines in all modes, for tests that run programs against the local cluster."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.setup import open_engine
from reconciler.settings import Settings
from tests.engine_speed.driver import Driver
from tests.shared_cluster import SharedCluster

Drive = Callable[..., AbstractAsyncContextManager[Driver]]


# A program whose engine was killed under it leaves an event loop and coroutines behind, which nobody ends.
IGNORE_LEFTOVERS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collect_leftovers() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def drive(cluster: SharedCluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Opens an engine that acts as the reconciler; settings by keyword."""
    environment = cluster.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Driver]:
        with open_engine(Settings(run_dir=tmp_path / "run", **settings)) as engine:
            driver = await Driver.on(engine, cluster, namespace)
            try:
                yield driver
            finally:
                driver.close()

    return opened
