"""The engine's runs and the context of their log lines."""

from pathlib import Path

import pytest
import structlog

from reconciler.engine.engine import Engine
from reconciler.engine.outcome import Outcome
from reconciler.engine.runner import Runner, Task
from reconciler.state.encryption_keys import Keys
from reconciler.status.errors import EngineFailedError, EngineTimeoutError, StalledError


class ContextRunner(Runner):
    """Its runs only return the context that their log lines would have."""

    def run(self, task: Task) -> Outcome:
        context = structlog.contextvars.get_contextvars()
        structlog.contextvars.bind_contextvars(leaked="into the pass")
        return Outcome(repr(context).encode(), {}, 0.0)


async def test_a_run_logs_in_the_context_of_its_pass_and_leaves_none_behind(tmp_path: Path) -> None:
    runner = ContextRunner(lambda: pytest.fail("nothing is run"), tmp_path, {})
    engine = Engine(runner, concurrent_runs=1, slow_run_s=1, threads=1)
    try:
        for id in ("one", "two"):
            with structlog.contextvars.bound_contextvars(reconcile_id=id):
                outcome = await engine.destroy("devserver-uid", b"", Keys("", ""))
            assert outcome.checkpoint == repr({"reconcile_id": id}).encode()
    finally:
        engine.stop()


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Outcome(b"{}", {}, 1.0), "success"),
        (Outcome(b"{}", {}, 1.0, EngineFailedError("RunFailed", "")), "failed"),
        (Outcome(b"{}", {}, 1.0, StalledError("Rejected", "")), "rejected"),
        (Outcome(None, {}, 1.0, EngineTimeoutError("RunTimeout", "")), "lost"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_is_counted_by_how_it_ends(outcome: Outcome, result: str) -> None:
    assert outcome.result == result
