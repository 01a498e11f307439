"""A lock between runs of the toolchain at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .progress import step


@contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`, waiting for another run that is installing `what`.

    The system frees it when this process and the builds below it have ended, however they end: a compiler that
    outlives a killed run by seconds still writes into the directory that the next run removes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"{what}: waiting for another run that is installing it"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
