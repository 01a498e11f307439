"""The run directory. One process at a time owns it, and its successor takes over under its name."""

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
    """Lock the run directory until the block ends, and empty it. Yields its token.

    The token stays with the directory. The owner of the lock knows that the previous owner is dead, and kills what
    that one started. So it may act under the same name, without waiting for the Lease to run out.
    Raises EngineError if another process owns the directory.
    """
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(run_dir / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EngineError(f"another reconciler uses {run_dir}: set DEVSERVER_RUN_DIR") from None
        # Provider plugins of an earlier process may run still: they outlive a killed CLI.
        kill_of_backend(backends(run_dir))
        for name in ("runs", "home"):
            shutil.rmtree(run_dir / name, ignore_errors=True)
            (run_dir / name).mkdir()
        yield _token(run_dir / "token")


def backends(run_dir: Path) -> str:
    """The common beginning of the URLs of all runs' private directories."""
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
