"""Waiting for the cluster's components, with an eye on those that die."""

import time
from collections.abc import Callable

import psutil

from localcluster.errors import StartFailed
from localcluster.namespaces import require_alive, tail
from localcluster.paths import Paths
from localcluster.progress import step
from localcluster.status import reported

_POLL_S = 0.05
# One death while all start at once may be bad luck; this many are not.
_DEATHS = 3


class Wait:
    """Waits for conditions in the cluster of `supervisor`, until one common deadline."""

    def __init__(self, paths: Paths, supervisor: psutil.Process, timeout_s: float) -> None:
        self.paths = paths
        self._supervisor = supervisor
        self.timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._restarts = {name: report["restarts"] for name, report in reported(paths).items()}

    def for_component(self, name: str) -> None:
        """Wait until a component is ready (or done, for one that runs once)."""
        self.until(name, name, lambda: reported(self.paths).get(name, {}).get("phase") in ("ready", "done"))

    def until(self, what: str, component: str, condition: Callable[[], bool]) -> None:
        """Wait for `condition`; `component` is the one whose log tells why it is not met.

        Raises:
            StartFailed: the supervisor is gone, a component dies again and again, or the time is over.
        """
        if condition():
            return
        with step(what):
            while not condition():
                self._check_alive()
                if time.monotonic() > self._deadline:
                    log = self.paths.log(component)
                    raise StartFailed(
                        f"{what}: not ready after {self.timeout_s:.0f} s; {log} ends with:\n{tail(log)}"
                    )
                time.sleep(_POLL_S)

    def _check_alive(self) -> None:
        require_alive(self.paths, self._supervisor)
        for name, report in reported(self.paths).items():
            if report["phase"] == "backoff" and report["restarts"] - self._restarts.get(name, 0) >= _DEATHS:
                log = self.paths.log(name)
                raise StartFailed(
                    f"{name} dies again and again ({report['last_exit']}); {log} ends with:\n{tail(log)}"
                )
