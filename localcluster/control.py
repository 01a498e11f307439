"""Acting on a running cluster's components, and in its namespaces."""

import os
from collections.abc import Sequence
from typing import NoReturn

from localcluster.errors import LocalClusterError
from localcluster.locks import only_one
from localcluster.namespaces import entered, running
from localcluster.paths import INSIDE, Paths
from localcluster.run import SYSTEM_PATH
from localcluster.settings import Settings
from localcluster.status import reported
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
