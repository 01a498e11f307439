"""A cluster's network, mount and PID namespaces, which live as long as their first process: the supervisor.

It is found by its command line, never by a recorded pid: a record could be missing or out of date.
"""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from localcluster.errors import LocalClusterError, NotRunning, StartFailed
from localcluster.paths import Paths
from localcluster.run import SYSTEM_PATH, program

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_LAUNCH_S = 10.0
_DEATH_S = 20.0
_POLL_S = 0.01


def supervisor(paths: Paths) -> psutil.Process | None:
    """The cluster's supervisor as the host sees it, or None if it does not run."""
    own_length = len(_command(paths))
    return next((found for found in _processes(paths) if len(found.info["cmdline"]) == own_length), None)


def launch(paths: Paths) -> psutil.Process:
    """Start the supervisor in namespaces of its own; it outlives this process.

    Raises:
        StartFailed: it died at once.
    """
    kinds = ["--net", "--mount", "--propagation=slave", "--pid", "--mount-proc", "--fork", "--kill-child"]
    with paths.log("supervisor").open("a") as log:
        subprocess.run(
            [program("setsid"), "--fork", program("unshare"), *kinds, *_command(paths)],
            cwd="/",
            env={"PATH": SYSTEM_PATH},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
        )
    deadline = time.monotonic() + _LAUNCH_S
    while time.monotonic() < deadline and _processes(paths):
        if process := supervisor(paths):
            return process
        time.sleep(_POLL_S)
    raise StartFailed(f"the supervisor did not start:\n{tail(paths.log('supervisor'))}")


def end(paths: Paths) -> None:
    """Kill the supervisor and with it everything in the namespaces; returns when all of it is gone."""
    deadline = time.monotonic() + _DEATH_S
    while found := _processes(paths):
        # The launchers end, and collect it, when the supervisor does.
        first = supervisor(paths)
        for process in [first] if first else found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while any(map(_lives, found)):
            if time.monotonic() > deadline:
                raise LocalClusterError(
                    f"the cluster's process {found[0].pid} does not die; /proc/PID/stack says why"
                )
            time.sleep(_POLL_S)


def running(paths: Paths) -> psutil.Process:
    """The supervisor of a cluster that must run; NotRunning otherwise."""
    process = supervisor(paths)
    if process is None:
        raise NotRunning(
            f"the cluster {paths.root.name} does not run; start it by: python -m localcluster up"
        )
    return process


def entered(paths: Paths) -> list[str]:
    """The command line prefix that runs a program inside the cluster's namespaces; NotRunning if there are none."""
    return [str(program("nsenter")), f"--target={running(paths).pid}", "--mount", "--pid", "--net", "--"]


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (its log is empty)"


def require_only_of_its_name(paths: Paths) -> None:
    """Raise LocalClusterError if a cluster of this name runs from another cache: interface and cgroup are its own."""
    for root, process in _clusters():
        if root != paths.root and root.name == paths.root.name:
            raise LocalClusterError(
                f"a cluster {root.name} runs already (process {process.pid}), with its state in {root}: "
                "set LOCALCLUSTER_NAME to another name, or DEVSERVER_CACHE as it was for that one"
            )


def require_alive(paths: Paths, process: psutil.Process) -> None:
    """Raise StartFailed with what it said last if the supervisor has ended."""
    if not _lives(process):
        log = paths.log("supervisor")
        raise StartFailed(f"the supervisor died; {log} ends with:\n{tail(log)}")


def _command(paths: Paths) -> list[str]:
    return [sys.executable, "-I", "-S", str(_SUPERVISOR), str(paths.root)]


def _processes(paths: Paths) -> list[psutil.Process]:
    """The supervisor and its launchers."""
    return [process for root, process in _clusters() if root == paths.root]


def _clusters() -> list[tuple[Path, psutil.Process]]:
    """All supervisors on this host and their launchers, whose command lines end alike; with their state directories."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        script, root = ["", "", *(process.info["cmdline"] or ())][-2:]
        if Path(script).name == _SUPERVISOR.name and Path(script).parent.name == _SUPERVISOR.parent.name:
            found.append((Path(root), process))
    return found


def _lives(process: psutil.Process) -> bool:
    """Whether a process still has children or resources; a zombie has none."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
