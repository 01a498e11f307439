"""The engine's runs and the context of their log lines."""

from pathlib import Path
from typing import Any

import pytest
import structlog

from reconciler.engine.engine import Engine, Outcome
from reconciler.state.encryption_keys import Keys


class Telling(Engine):
    """An engine whose runs only tell which context their log lines would have."""

    def _run(self, *_: Any) -> Outcome:
        context = structlog.contextvars.get_contextvars()
        structlog.contextvars.bind_contextvars(leaked="into the pass")
        return Outcome(repr(context).encode(), {}, 0.0)


async def test_a_run_logs_in_the_context_of_its_pass_and_leaves_none_behind(tmp_path: Path) -> None:
    engine = Telling(
        lambda: pytest.fail("nothing is run"), tmp_path, {}, concurrent_runs=1, slow_run_s=1, threads=1
    )
    try:
        for id in ("one", "two"):
            with structlog.contextvars.bound_contextvars(reconcile_id=id):
                outcome = await engine.destroy("devserver-uid", b"", Keys("", ""))
            assert outcome.checkpoint == repr({"reconcile_id": id}).encode()
    finally:
        engine.stop()
