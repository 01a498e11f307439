"""Ends processes that we started, with all that they started in turn."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress

import psutil

# Every process of a run has the address of the run's private directory in this variable. Those that serve more than
# one run have the address of the directory above. So they are found even if their parent is dead.
# (Pulumi's own variable would not do: an external backend has other users.)
BACKEND_VARIABLE = "DEVSERVER_ENGINE_RUN"
# They also have a mark of this very process, so that its watchdog does not kill processes of a successor.
MARK_VARIABLE = "DEVSERVER_STARTED_BY"
PROCESS_MARK = f"{os.getpid()}-{secrets.token_hex(8)}"
# The mark as it stands in their environment.
ENVIRONMENT_MARK = f"{MARK_VARIABLE}={PROCESS_MARK}"


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants. (Provider plugins leave the process group, so that is not enough.)

    The process itself is killed first. Otherwise it might see a child die, and end as if it had failed itself.
    """
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def of_backend(url: str) -> Iterator[psutil.Process]:
    """Every process whose backend's URL begins with `url` and that still runs, whoever its parent is."""
    for process in psutil.process_iter():
        try:
            belongs = process.environ().get(BACKEND_VARIABLE, "").startswith(url)
            if belongs and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


def kill_of_backend(url: str) -> None:
    """Kill every process whose backend's URL begins with `url`, with its descendants."""
    for process in of_backend(url):
        with suppress(psutil.Error):
            kill_tree(process.pid)
