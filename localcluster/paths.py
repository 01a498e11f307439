"""Where a cluster's files lie on the host."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import toolchain


def clusters_dir() -> Path:
    """The directory of all clusters' state directories, by its one true name: processes are found by it."""
    return (toolchain.cache_dir() / "cluster").resolve()


@dataclass(frozen=True)
class Paths:
    """The files of one cluster; everything below `root` belongs to it and goes with `down`."""

    root: Path

    @classmethod
    def of(cls, name: str) -> "Paths":
        """The files of the cluster `name`, which need not exist."""
        return cls(clusters_dir() / name)

    @property
    def settings(self) -> Path:
        """The settings that the cluster was made with (JSON)."""
        return self.root / "settings.json"

    @property
    def plan(self) -> Path:
        """What the supervisor is to do (JSON)."""
        return self.root / "plan.json"

    @property
    def components(self) -> Path:
        """What the supervisor says of its components (JSON)."""
        return self.root / "components.json"

    @property
    def stopped(self) -> Path:
        """Holds one empty file for each component that is to stay stopped."""
        return self.root / "stopped"

    @property
    def pki(self) -> Path:
        """Keys, certificates, and the kubeconfigs of the components."""
        return self.root / "pki"

    @property
    def config(self) -> Path:
        """The components' configuration files."""
        return self.root / "config"

    @property
    def logs(self) -> Path:
        """One log for each component."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """What the cluster keeps: etcd, containerd, the kubelet, volumes, each in its directory."""
        return self.root / "data"

    @property
    def admin_kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use on the host."""
        return self.root / "kubeconfig"

    def log(self, component: str) -> Path:
        """The log of one component, or of the `supervisor`."""
        return self.logs / f"{component}.log"


# The same files as the cluster's own processes see them.
INSIDE = Paths(Path("/run/localcluster"))


@contextmanager
def created_at_once(directory: Path) -> Iterator[Path]:
    """A directory to fill; it gets its name at the end, so that it is either complete or not there."""
    draft = draft_of(directory)
    discard(draft)
    draft.mkdir(mode=0o700, parents=True)
    yield draft
    draft.rename(directory)


def draft_of(directory: Path) -> Path:
    """The directory that `created_at_once` fills."""
    return directory.with_name(f".{directory.name}.new")


def discard(directory: Path) -> None:
    """Remove a directory; a removal that was killed half-way is completed by the next one."""
    doomed = directory.with_name(f".{directory.name}.old")
    if doomed.exists():
        shutil.rmtree(doomed)
    if directory.exists():
        directory.rename(doomed)
        shutil.rmtree(doomed)
