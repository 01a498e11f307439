"""Which cluster the demo and the preview work on: the local one, or with CLUSTER=current the user's own."""

import os
from dataclasses import dataclass
from pathlib import Path

import localcluster
import toolchain
from demo.errors import DemoError

_PUBLIC_IMAGE = "debian:bookworm"


@dataclass(frozen=True)
class Target:
    """A cluster, and what the demo keeps for it outside the checkout.

    image: what the DevServers run; None for that of the example.
    """

    is_local: bool
    directory: Path
    image: str | None

    @property
    def title(self) -> str:
        """The cluster in words."""
        if self.is_local:
            return f"the local cluster {localcluster.Settings().name}"
        return "the current cluster of your kubeconfig"

    def kubeconfig(self) -> Path | None:
        """The kubeconfig to use, None for what kubectl finds. Raises LocalClusterError without a local cluster."""
        return localcluster.kubeconfig_path() if self.is_local else None


def chosen() -> Target:
    """The cluster that the environment variable CLUSTER names; DEMO_IMAGE names the image of the DevServers.

    Raises DemoError.
    """
    name, image = os.environ.get("CLUSTER", "local"), os.environ.get("DEMO_IMAGE")
    demos = toolchain.cache_dir() / "demo"
    match name:
        case "local":
            return Target(True, demos / f"local-{localcluster.Settings().name}", image)
        case "current":
            return Target(False, demos / "current", image or _PUBLIC_IMAGE)
    raise DemoError(f"CLUSTER={name}: it is `local` or `current`")
