"""Containers that crash. Reason and message stay the same from one crash to the next."""

from typing import Any

import pytest

from reconciler.kinds.devserver.pod.containers import Crash, find_crash

Object = dict[str, Any]
BEGAN, SOON, LATER = "2030-01-01T12:00:00Z", "2030-01-01T12:00:02Z", "2030-01-01T12:10:00Z"


def ended(code: int = 1, reason: str = "Error", message: str = "", at: str = SOON) -> Object:
    return {"exitCode": code, "reason": reason, "message": message, "startedAt": BEGAN, "finishedAt": at}


def container(restarts: int, last: Object | None = None, **state: Object) -> Object:
    return {
        "name": "devserver",
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


RUNS: Object = {"startedAt": SOON}
BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
CANNOT = {"reason": "RunContainerError", "message": "no such file"}
START_ERROR = ended(128, "StartError", "no such file")
OOM = ended(137, "OOMKilled")

CASES: dict[str, tuple[Object, bool, str | None, str]] = {
    # status of the container, whether it is an init container, reason, message
    "it runs": (container(0, running=RUNS), False, None, ""),
    "it is being created": (container(0, waiting={"reason": "ContainerCreating"}), False, None, ""),
    "it has no state": (container(0), False, None, ""),
    "it ended once": (
        container(0, terminated=ended()),
        False,
        "ContainerRestarting",
        "Container devserver is started again; it ended with exit code 1 (Error)",
    ),
    "it runs again": (
        container(1, ended(), running=RUNS),
        False,
        "ContainerRestarting",
        "Container devserver is started again; it ended with exit code 1 (Error)",
    ),
    "it ended with exit code 0, though it should run on": (
        container(0, terminated=ended(0, "Completed")),
        False,
        "ContainerRestarting",
        "Container devserver is started again; it ended with exit code 0 (Completed)",
    ),
    "it ended again after a long time": (
        container(1, terminated=ended(at=LATER)),
        False,
        "ContainerRestarting",
        "Container devserver is started again; it ended with exit code 1 (Error)",
    ),
    "it ended again soon": (
        container(1, terminated=ended(message="no keys\n")),
        False,
        "CrashLoopBackOff",
        "Container devserver has ended 2 times, the last time with exit code 1 (Error): no keys",
    ),
    "it exceeded its memory limit": (
        container(4, OOM, waiting=BACK_OFF),
        False,
        "CrashLoopBackOff",
        "Container devserver has ended 5 times, the last time with exit code 137 "
        "(OOMKilled: it needed more memory than the flavor's limit)",
    ),
    "its status does not say why it ended": (
        container(1, {"exitCode": 2}, waiting=BACK_OFF),
        False,
        "CrashLoopBackOff",
        "Container devserver has ended 2 times, the last time with exit code 2",
    ),
    "it cannot be started": (
        container(0, waiting=CANNOT),
        False,
        "CrashLoopBackOff",
        "Container devserver cannot be started: no such file",
    ),
    "it could not be started": (
        container(0, terminated=START_ERROR),
        False,
        "CrashLoopBackOff",
        "Container devserver cannot be started: no such file",
    ),
    "an init container has completed": (container(0, terminated=ended(0, "Completed")), True, None, ""),
    "an init container has completed, after it had failed": (
        container(2, ended(), terminated=ended(0, "Completed")),
        True,
        None,
        "",
    ),
    "an init container failed once": (
        container(0, terminated=ended()),
        True,
        "ContainerRestarting",
        "Container devserver is started again; it ended with exit code 1 (Error)",
    ),
    "an init container fails repeatedly": (
        container(3, ended(), waiting=BACK_OFF),
        True,
        "CrashLoopBackOff",
        "Container devserver has ended 4 times, the last time with exit code 1 (Error)",
    ),
}


@pytest.mark.parametrize(("status", "is_init", "reason", "message"), CASES.values(), ids=CASES.keys())
def test_the_crash_of_a_container(status: Object, is_init: bool, reason: str | None, message: str) -> None:
    found = find_crash(status, is_init)
    assert (found.reason if found else None) == reason
    assert (found.message if found else "") == message


def statuses_of(crashes: int, cause: Object, cannot_start: bool = False) -> list[Object]:
    """The statuses that the kubelet writes while a container crashes so often, from its first start."""
    statuses: list[Object] = []
    last: Object | None = None
    for times in range(crashes):
        statuses.append(
            container(times, last, running=RUNS)
            if not cannot_start
            else container(times, last, waiting=CANNOT)
        )
        last = {**cause, "message": f"crash {times + 1}"}
        statuses.append(container(times, None, terminated=last))
        if times:
            statuses.append(container(times, last, waiting=BACK_OFF))
    return statuses


def test_each_crash_changes_the_message_once() -> None:
    crashes = [find_crash(status, False) for status in statuses_of(6, ended())]
    changes = [now for before, now in zip([None, *crashes], crashes, strict=False) if now != before]
    assert [change.is_looping for change in changes if change] == [False, True, True, True, True, True]
    assert len({change.message for change in changes if change}) == 6


def test_a_container_that_cannot_be_started_has_one_reason_all_the_time() -> None:
    crashes = [find_crash(status, False) for status in statuses_of(4, START_ERROR, cannot_start=True)]
    assert {found.reason for found in crashes if found} == {"CrashLoopBackOff"}
    assert None not in crashes


def test_a_termination_message_becomes_one_short_line_and_keeps_its_end() -> None:
    hostile = ended(message="x" * 4096 + "\x1b[2Jgone\u202e\n", reason="Er\x07ror")
    found = find_crash(container(1, terminated=hostile), False)
    assert isinstance(found, Crash)
    assert found.message.isprintable()
    assert "exit code 1 (Er ror): ... xxx" in found.message
    assert found.message.endswith("xxx [2Jgone")
    assert len(found.message) < 800
