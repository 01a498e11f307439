"""Locks between the commands of this package."""

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from localcluster.progress import note

_POLL_S = 0.1


@contextmanager
def only_one(subject: str) -> Iterator[None]:
    """Let one process at a time on this host act on `subject`."""
    # A name without a file: the kernel gives it to one process, and takes it back however that ends.
    with socket.socket(socket.AF_UNIX) as lock:
        waiting = False
        while not _taken(lock, f"\0localcluster/{subject}"):
            if not waiting:
                note(f"waiting for another localcluster command ({subject})")
                waiting = True
            time.sleep(_POLL_S)
        yield


def _taken(lock: socket.socket, name: str) -> bool:
    try:
        lock.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True
