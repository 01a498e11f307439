"""Acting on a running cluster's components, and in its namespaces."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

import psutil

from localcluster.errors import LocalClusterError
from localcluster.locks import only_one
from localcluster.namespaces import entered, running
from localcluster.paths import INSIDE, Paths
from localcluster.run import SYSTEM_PATH
from localcluster.settings import Settings
from localcluster.status import component_process, reported
from localcluster.waiting import Wait


def stop(component: str, settings: Settings | None = None) -> None:
    """Stop a component and keep it stopped, until `start` or `up`; returns when its process is gone."""
    settings = settings or Settings()
    with only_one(f"cluster {settings.name}"):
        paths, wait = _prepared(component, settings)
        (paths.stopped / component).touch()
        wait.until(
            f"{component} stopped", component, lambda: reported(paths)[component]["phase"] == "stopped"
        )


def start(component: str, settings: Settings | None = None) -> None:
    """Start a stopped component; returns when it is ready."""
    settings = settings or Settings()
    with only_one(f"cluster {settings.name}"):
        paths, wait = _prepared(component, settings)
        (paths.stopped / component).unlink(missing_ok=True)
        wait.for_component(component)


def kill(component: str, settings: Settings | None = None) -> None:
    """Kill a component's process (SIGKILL); returns when the supervisor has started it anew and it is ready."""
    settings = settings or Settings()
    with only_one(f"cluster {settings.name}"):
        paths, wait = _prepared(component, settings)
        deaths = reported(paths)[component]["restarts"]
        _process(component, paths).kill()
        wait.until(f"{component} is dead", component, lambda: reported(paths)[component]["restarts"] > deaths)
        wait.for_component(component)


@contextmanager
def paused(component: str, settings: Settings | None = None) -> Iterator[None]:
    """A component that holds its connections and answers nothing (SIGSTOP), for as long as the block lasts."""
    settings = settings or Settings()
    with only_one(f"cluster {settings.name}"):
        process = _process(component, _prepared(component, settings)[0])
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)


def _process(component: str, paths: Paths) -> psutil.Process:
    process = component_process(component, running(paths), paths)
    if process is None:
        raise LocalClusterError(f"{component} does not run: python -m localcluster status tells why")
    return process


def execute(command: Sequence[str], settings: Settings | None = None) -> NoReturn:
    """Replace this process by a command inside the cluster's namespaces, which finds KUBECONFIG set."""
    settings = settings or Settings()
    prefix = entered(Paths.of(settings.name))
    environment = {
        **os.environ,
        "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}",
        "KUBECONFIG": str(INSIDE.admin_kubeconfig),
        "CONTAINERD_NAMESPACE": "k8s.io",
    }
    os.execve(prefix[0], [*prefix, *command], environment)  # noqa: S606 - no shell is wanted


def _prepared(component: str, settings: Settings) -> tuple[Paths, Wait]:
    """The cluster's paths and a wait on it; LocalClusterError unless it runs and has that component."""
    paths = Paths.of(settings.name)
    wait = Wait(paths, running(paths), settings.ready_timeout_s)
    known = reported(paths)
    if component not in known:
        raise LocalClusterError(f"there is no component {component!r}; there are: {', '.join(known)}")
    return paths, wait
