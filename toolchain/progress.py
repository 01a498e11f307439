"""Says what is going on, so that nobody wonders during the minutes that a build takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HEARTBEAT_S = 15.0


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"toolchain: {text}", flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce `what`, repeat it with the elapsed seconds every HEARTBEAT_S, and say how long it took.

    A step that raises closes without the last line: the error speaks for itself.
    """
    say(f"{what} ...")
    started = time.monotonic()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_S):
            say(f"{what}: {time.monotonic() - started:.0f} s so far")

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
    say(f"{what}: done in {time.monotonic() - started:.1f} s")
