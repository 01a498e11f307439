"""Repeats an action at intervals, in a thread."""

import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger()


class Periodic:
    """Calls `action` every `interval_s` seconds in a thread of its own. Exceptions are logged and do not end it."""

    def __init__(self, name: str, interval_s: float, action: Callable[[], None]) -> None:
        self._interval_s = interval_s
        self._action = action
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the action that is under way."""
        self._stopped.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                self._action()
            except Exception:
                _log.exception("periodic work failed", work=self._thread.name)
