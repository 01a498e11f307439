"""How a cluster fares."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, computed_field

from localcluster.kubectl import node_ready
from localcluster.namespaces import supervisor
from localcluster.paths import Paths
from localcluster.settings import Settings

_GOOD_PHASES = ("ready", "done")


class ComponentStatus(BaseModel):
    """One component: `pid` as the host sees it and 0 when not running, `memory_mib` resident."""

    name: str
    phase: str
    pid: int
    up_since: datetime | None
    restarts: int
    last_exit: str
    memory_mib: int

    @property
    def good(self) -> bool:
        """Whether it does what it should."""
        return self.phase in _GOOD_PHASES


class Status(BaseModel):
    """A cluster's state; `healthy` when every component and the node are ready."""

    settings: Settings
    kubeconfig: Path
    supervisor_pid: int
    node_ready: bool
    components: list[ComponentStatus]

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def healthy(self) -> bool:
        """Whether the cluster is fit for use."""
        return (
            self.node_ready and bool(self.components) and all(component.good for component in self.components)
        )


def reported(paths: Paths) -> dict[str, dict[str, Any]]:
    """What the supervisor last said of each component; empty before its first word."""
    try:
        components: dict[str, dict[str, Any]] = json.loads(paths.components.read_text())
    except FileNotFoundError:
        return {}
    return components


def read_status(paths: Paths, settings: Settings) -> Status:
    """The state of a cluster that exists."""
    process = supervisor(paths)
    components = _components(paths, process) if process else []
    return Status(
        settings=settings,
        kubeconfig=paths.admin_kubeconfig,
        supervisor_pid=process.pid if process else 0,
        node_ready=process is not None and node_ready(paths, settings.name),
        components=components,
    )


def component_process(name: str, supervisor_process: psutil.Process, paths: Paths) -> psutil.Process | None:
    """The process of one component as the host sees it, None if it does not run."""
    inner_pid = reported(paths)[name]["pid"]
    return _by_inner_pid(supervisor_process).get(inner_pid) if inner_pid else None


def _by_inner_pid(supervisor_process: psutil.Process) -> dict[int, psutil.Process]:
    return {_inner_pid(child): child for child in supervisor_process.children()}


def _components(paths: Paths, supervisor_process: psutil.Process) -> list[ComponentStatus]:
    by_inner_pid = _by_inner_pid(supervisor_process)
    components = []
    for name, report in reported(paths).items():
        process = by_inner_pid.get(report["pid"])
        started = datetime.fromtimestamp(report["started_at"], UTC) if process else None
        components.append(
            ComponentStatus(
                name=name,
                phase=report["phase"],
                pid=process.pid if process else 0,
                up_since=started,
                restarts=report["restarts"],
                last_exit=report["last_exit"],
                memory_mib=_memory_mib(process) if process else 0,
            )
        )
    return components


def _inner_pid(process: psutil.Process) -> int:
    """The pid that a process has inside the namespaces, or 0 if it has just ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))


def _memory_mib(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss / 2**20)
    except psutil.NoSuchProcess:
        return 0
