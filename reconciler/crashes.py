"""Containers that end, or cannot be started, as the pod's status tells. Pure.

Between two crashes a container's state is for a moment terminated, waiting or running again. One crash is told by one
reason and message all that time: what is said depends on how often it has ended and how it ended last.
"""

from dataclasses import dataclass
from typing import Any

from reconciler import reasons
from reconciler.expiry import parse_time
from reconciler.text import ending, one_line

# Waiting reasons of a container that ended, or could not be started.
LOOPING = {"CrashLoopBackOff", "RunContainerError", "PostStartHookError"}
# Reasons in a terminated state: the program never ran.
_NOT_STARTED = {"StartError", "ContainerCannotRun"}
# kubelet forgets the crashes of a container that ran for so long, in seconds: HasExpiredFunc of crashLoopBackOff in
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kubelet.go
_FORGIVEN_AFTER_S = 600.0
_MAX_LAST_WORDS = 600


@dataclass(frozen=True)
class Crash:
    """again: it is not the first one in a row, or there is no use in trying again."""

    again: bool
    message: str

    @property
    def reason(self) -> str:
        """For the Ready condition."""
        return reasons.CRASH_LOOP if self.again else reasons.CONTAINER_RESTARTING


def crash(container: dict[str, Any], init: bool) -> Crash | None:
    """What keeps a container that is not ready from running; None if nothing of this kind.

    container: its status. init: whether it is to end.
    """
    state, name = container.get("state") or {}, container["name"]
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if ended is None:
        if waiting.get("reason") not in LOOPING:
            return None
        return Crash(True, f"Container {name} cannot be started: {_last_words(waiting)}")
    if init and state.get("terminated") and ended.get("exitCode") == 0:
        return None
    if ended.get("reason") in _NOT_STARTED:
        return Crash(True, f"Container {name} cannot be started: {_last_words(ended)}")
    times = container.get("restartCount", 0) + (0 if "running" in state else 1)
    words = _last_words(ended)
    how = f"{_manner(ended)}{f': {words}' if words else ''}"
    if waiting.get("reason") in LOOPING or (times > 1 and _ran_s(ended) < _FORGIVEN_AFTER_S):
        return Crash(True, f"Container {name} has ended {times} times, the last time with {how}")
    return Crash(False, f"Container {name} is started again; it ended with {how}")


def _manner(ended: dict[str, Any]) -> str:
    code, reason = ended.get("exitCode"), str(ended.get("reason") or "")
    if reason == "OOMKilled":
        return f"exit code {code} (OOMKilled: it needed more memory than the flavor's limit)"
    return f"exit code {code} ({one_line(reason)})" if reason else f"exit code {code}"


def _last_words(state: dict[str, Any]) -> str:
    """The message, its end if it is long: there a program says what it died of."""
    return ending(one_line(state.get("message") or ""), _MAX_LAST_WORDS)


def _ran_s(ended: dict[str, Any]) -> float:
    """For how many seconds it ran; 0 if that is not told."""
    began, end = ended.get("startedAt"), ended.get("finishedAt")
    return (parse_time(end) - parse_time(began)).total_seconds() if began and end else 0.0
