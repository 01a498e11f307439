"""The run directory: one process has it at a time, and its successor takes over in its name."""

import fcntl
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.engine.outcome import EngineError
from reconciler.engine.processes.process_tree import kill_of_backend

_TOKEN = re.compile(r"[0-9a-f]{16}")


@contextmanager
def own_run_dir(run_dir: Path) -> Iterator[str]:
    """Lock the run directory until the block ends, and empty it; gives its token.

    The token stays with the directory. Who has the lock knows that the process that had it before is dead, and
    ends what that one started: it may act in the same name, without waiting for a Lease to run out.
    Raises EngineError if another process has it.
    """
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(run_dir / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EngineError(f"another reconciler uses {run_dir}: set DEVSERVER_RUN_DIR") from None
        # What an earlier process left behind: provider plugins outlive a killed CLI.
        kill_of_backend(backends(run_dir))
        for name in ("runs", "home"):
            shutil.rmtree(run_dir / name, ignore_errors=True)
            (run_dir / name).mkdir()
        yield _token(run_dir / "token")


def backends(run_dir: Path) -> str:
    """What the URLs of all runs' backends begin with."""
    return f"file://{run_dir / 'runs'}/"


def _token(file: Path) -> str:
    found = file.read_text(errors="replace").strip() if file.exists() else ""
    if _TOKEN.fullmatch(found):
        return found
    token = secrets.token_hex(8)
    draft = file.with_suffix(".new")
    draft.write_text(token)
    draft.replace(file)
    return token
