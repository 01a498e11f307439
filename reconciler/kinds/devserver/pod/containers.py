"""Containers that crash: they end, or cannot be started. Read from the pod's status. Pure.

Between two crashes a container's state is terminated, waiting or running. Reason and message stay the same all that
time, for they depend only on how often the container has ended and on how it ended last.
"""

from dataclasses import dataclass
from typing import Any

from crds.times import parse_time
from reconciler.status import reasons
from reconciler.text import ending, one_line

# Waiting reasons of a container that crashed. The kubelet's reasons are in
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/container/sync_result.go
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kuberuntime/kuberuntime_container.go
CRASH_REASONS = {"CrashLoopBackOff", "RunContainerError", "PostStartHookError"}
# Reasons of a terminated state in which the program never ran: containerd's and Docker's.
# https://github.com/containerd/containerd/blob/v1.7.29/pkg/cri/server/helpers.go
_NOT_STARTED = {"StartError", "ContainerCannotRun"}
# The kubelet forgets earlier crashes of a container that ran for so long, in seconds. See crashLoopBackOff in
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/kubelet.go
_BACK_OFF_RESET_S = 600.0
_MAX_MESSAGE = 600


@dataclass(frozen=True)
class Crash:
    """How a container crashed. is_looping: it has crashed repeatedly, or cannot be started at all."""

    is_looping: bool
    message: str

    @property
    def reason(self) -> str:
        """For the Ready condition."""
        return reasons.CRASH_LOOP if self.is_looping else reasons.CONTAINER_RESTARTING


def find_crash(container: dict[str, Any], is_init: bool) -> Crash | None:
    """The crash that keeps a container from being ready; None if it is not one that does.

    container: its status. is_init: an init container may end with exit code 0.
    """
    state, name = container.get("state") or {}, container["name"]
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if ended is None:
        if waiting.get("reason") not in CRASH_REASONS:
            return None
        return Crash(True, f"Container {name} cannot be started: {_termination_message(waiting)}")
    if is_init and state.get("terminated") and ended.get("exitCode") == 0:
        return None
    if ended.get("reason") in _NOT_STARTED:
        return Crash(True, f"Container {name} cannot be started: {_termination_message(ended)}")
    times = container.get("restartCount", 0) + (0 if "running" in state else 1)
    message = _termination_message(ended)
    how = f"{_exit_code(ended)}{f': {message}' if message else ''}"
    if waiting.get("reason") in CRASH_REASONS or (times > 1 and _run_time_s(ended) < _BACK_OFF_RESET_S):
        return Crash(True, f"Container {name} has ended {times} times, the last time with {how}")
    return Crash(False, f"Container {name} is started again; it ended with {how}")


def _exit_code(ended: dict[str, Any]) -> str:
    """The exit code and its reason, for people."""
    code, reason = ended.get("exitCode"), str(ended.get("reason") or "")
    if reason == "OOMKilled":
        return f"exit code {code} (OOMKilled: it needed more memory than the flavor's limit)"
    return f"exit code {code} ({one_line(reason)})" if reason else f"exit code {code}"


def _termination_message(state: dict[str, Any]) -> str:
    """The message; of a long one the end, where a program says why it ended."""
    return ending(one_line(state.get("message") or ""), _MAX_MESSAGE)


def _run_time_s(ended: dict[str, Any]) -> float:
    """For how many seconds it ran; 0 if the status does not say."""
    began, end = ended.get("startedAt"), ended.get("finishedAt")
    return (parse_time(end) - parse_time(began)).total_seconds() if began and end else 0.0
