"""Starting and removing a cluster.

`up` brings whatever is there to what should be there, step by step, and a step that has been done has nothing
to do: so it repairs a half-started cluster and is quick on a running one.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

import images
import toolchain
from localcluster import addresses, cgroups, config, kubectl, namespaces, network, node_images, state
from localcluster.components import DEBIAN_PROGRAMS
from localcluster.errors import CommandFailed, LocalClusterError
from localcluster.locks import only_one
from localcluster.paths import Paths, discard, draft_of
from localcluster.plan import plan
from localcluster.progress import note, step
from localcluster.run import program, require_programs
from localcluster.settings import Settings
from localcluster.status import Status, read_status, reported
from localcluster.waiting import Wait


def up(settings: Settings | None = None) -> Status:
    """Start the cluster, or what of it does not run, and wait until it can be used.

    Raises:
        LocalClusterError: see errors.py; what has started stays, for a look at its logs and the next `up`.
    """
    settings = settings or Settings()
    _require_root()
    paths = Paths.of(settings.name)
    began = time.monotonic()
    with only_one(f"cluster {settings.name}"):
        ran = namespaces.supervisor(paths) is not None
        timeout_s = settings.ready_timeout_s
        settings, supervisor = _ensure_supervisor(paths, settings)
        _complete(paths, settings, supervisor, timeout_s)
    status = read_status(paths, settings)
    verb, seconds = "is" if ran else "came", time.monotonic() - began
    note(f"cluster {settings.name} {verb} up ({seconds:.1f} s): export KUBECONFIG={paths.admin_kubeconfig}")
    return status


def down(settings: Settings | None = None) -> None:
    """Remove the cluster and all that belongs to it, in whatever state it is; nothing to do is fine."""
    settings = settings or Settings()
    _require_root()
    paths = Paths.of(settings.name)
    with only_one(f"cluster {settings.name}"), step(f"cluster {settings.name} down"):
        namespaces.require_only_of_its_name(paths)
        namespaces.end(paths)
        network.disconnect(settings)
        cgroups.remove(settings.cgroup)
        discard(draft_of(paths.root))
        discard(paths.root)


def load(tars: Sequence[Path], settings: Settings | None = None) -> list[str]:
    """Import images from OCI-layout tars unless the node has them; returns the names of the imported."""
    settings = settings or Settings()
    return node_images.load(Paths.of(settings.name), tars)


def _ensure_supervisor(paths: Paths, wanted: Settings) -> tuple[Settings, psutil.Process]:
    """Have state, namespaces and the link to them; returns the cluster's settings and its supervisor."""
    # Two clusters that start at once must not choose the same addresses: the link shows what is taken.
    with only_one("addresses"):
        namespaces.require_only_of_its_name(paths)
        settings = state.ensure(paths, wanted)
        supervisor = namespaces.supervisor(paths) or _launch(paths, settings)
        try:
            network.connect(settings, supervisor.pid)
        except CommandFailed:
            # The link goes with a supervisor that fails, whose log tells more.
            namespaces.require_alive(paths, supervisor)
            raise
    return settings, supervisor


def _launch(paths: Paths, settings: Settings) -> psutil.Process:
    with step("namespaces"):
        require_programs()
        # What an earlier supervisor left, which was killed.
        network.disconnect(settings)
        addresses.check_free(settings, addresses.host_networks(except_interface=settings.veth))
        config.write_config(paths.config, settings)
        paths.plan.write_text(json.dumps(plan(settings, paths.root, _locate), indent=1))
        paths.components.unlink(missing_ok=True)
        cgroups.create(settings.cgroup)
        return namespaces.launch(paths)


def _complete(paths: Paths, settings: Settings, supervisor: psutil.Process, timeout_s: float) -> None:
    """Start what was stopped, import the images and wait until everything is ready."""
    for wish in paths.stopped.iterdir():
        wish.unlink()
    # Building an image takes its time. The supervisor goes on meanwhile, and while images are imported.
    tars = list(images.tars().values())
    wait = Wait(paths, supervisor, timeout_s)
    wait.for_component("containerd")
    node_images.load(paths, tars)
    for name in reported(paths):
        wait.for_component(name)
    wait.until("node", "kubelet", lambda: kubectl.node_ready(paths, settings.name))
    wait.until(
        "default ServiceAccount", "kube-controller-manager", lambda: kubectl.has_default_account(paths)
    )


def _locate(name: str) -> Path:
    return program(name) if name in DEBIAN_PROGRAMS else toolchain.binary(name)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LocalClusterError("namespaces, mounts and interfaces need root; run it by sudo or as root")
