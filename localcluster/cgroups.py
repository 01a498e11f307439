"""The cgroup that holds the cluster's pods: one directory in each hierarchy."""

import os
import time
from pathlib import Path

from localcluster.errors import LocalClusterError

_ROOT = Path("/sys/fs/cgroup")
_EMPTYING_S = 10.0


def _hierarchies() -> list[Path]:
    """The mounted hierarchies: one with version 2, one for each controller with version 1."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [path for path in _ROOT.iterdir() if path.is_dir() and not path.is_symlink()]


def create(name: str) -> None:
    """Make the cgroup `name` in every hierarchy."""
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)


def remove(name: str) -> None:
    """Remove the cgroup `name` and all below it; its processes must be dead or dying."""
    deadline = time.monotonic() + _EMPTYING_S
    while left := [hierarchy / name for hierarchy in _hierarchies() if (hierarchy / name).exists()]:
        for directory in left:
            _remove_empty(directory)
        if time.monotonic() > deadline:
            raise LocalClusterError(
                f"{left[0]} still holds processes, see its cgroup.procs; end them, then run down again"
            )
        time.sleep(0.02)


def _remove_empty(directory: Path) -> None:
    """Remove what is empty of the tree `directory`, innermost first."""
    for path, _, _ in os.walk(directory, topdown=False):
        try:
            Path(path).rmdir()
        except OSError:
            # Busy: a process in it has not quite ended.
            continue
