"""The local cluster that all suites share: up with all that `deploy/` installs, and left up for the next run."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import localcluster
import toolchain
from tests.patience import HUNG_S, PATIENCE_S, PATIENTLY

ROOT = Path(__file__).parent.parent
SYSTEM_NAMESPACE = "devserver-system"
RECONCILER = "devserver-reconciler"
_MANIFESTS = (
    "deploy/namespace.yaml",
    "deploy/roles.yaml",
    "deploy/admission.yaml",
    "deploy/priority.yaml",
    "crds/manifests",
)


@dataclass(frozen=True)
class SharedCluster:
    """How to reach the cluster. admin, reconciler: kubeconfigs of these two identities."""

    admin: Path
    reconciler: Path

    def kubectl(self, *args: str, stdin: str = "", kubeconfig: Path | None = None) -> str:
        """Standard output of a kubectl command, as the administrator unless told otherwise; it must succeed."""
        done = self.try_kubectl(*args, stdin=stdin, kubeconfig=kubeconfig)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def try_kubectl(
        self, *args: str, stdin: str = "", kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A kubectl command that may fail."""
        command = [toolchain.binary("kubectl"), f"--kubeconfig={kubeconfig or self.admin}", *args]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=HUNG_S)

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """The object as it is now; None if there is none. kind: as kubectl takes it."""
        scope = [f"--namespace={namespace}"] if namespace else []
        text = self.kubectl("get", kind, name, *scope, "--ignore-not-found", "--output=json")
        return json.loads(text) if text else None

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """`kubectl apply` of manifests given as data."""
        for manifest in manifests:
            self.kubectl("apply", "--filename=-", stdin=json.dumps(manifest))

    def environment(self) -> dict[str, str]:
        """Environment of a process that acts as the reconciler, with the pinned tools first on PATH."""
        return {
            **os.environ,
            "PATH": f"{toolchain.bin_dir()}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.reconciler),
            "DEVSERVER_PULUMI_HOME": str(toolchain.pulumi_home()),
            # A free one each, for several run at a time.
            "DEVSERVER_HTTP_HOST": "127.0.0.1",
            "DEVSERVER_HTTP_PORT": "0",
        }


def settings() -> localcluster.Settings:
    """Which cluster it is: the one named by LOCALCLUSTER_NAME, `test` without it. Each pytest worker has its own."""
    name = os.environ.get("LOCALCLUSTER_NAME", "test")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return localcluster.Settings(name=name if worker == "0" else f"{name}-{worker}")


def host_address() -> str:
    """Where programs of this host are found by the cluster's API server. The cluster must be up."""
    return str(localcluster.status(settings()).settings.host_ip)


def ensure() -> SharedCluster:
    """The cluster, up and with everything installed."""
    admin = localcluster.up(settings()).kubeconfig
    bare = SharedCluster(admin, admin)
    for manifest in _MANIFESTS:
        # Server-side apply needs no copy of a large CRD in an annotation.
        bare.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={ROOT / manifest}")
    bare.kubectl("wait", "--for=condition=Established", PATIENTLY, f"--filename={ROOT / 'crds/manifests'}")
    cluster = SharedCluster(
        admin, localcluster.service_account_kubeconfig(SYSTEM_NAMESPACE, RECONCILER, "24h", settings())
    )
    _wait_for_policy(cluster)
    return cluster


def _wait_for_policy(cluster: SharedCluster) -> None:
    """A new admission policy is in force a moment after it was written."""
    touch = (
        "label",
        "configmap",
        "kube-root-ca.crt",
        "--namespace=default",
        "touched=yes",
        "--dry-run=server",
    )
    deadline = time.monotonic() + PATIENCE_S
    while (
        "devserver-managed-objects" not in cluster.try_kubectl(*touch, kubeconfig=cluster.reconciler).stderr
    ):
        assert time.monotonic() < deadline, f"deploy/admission.yaml is not in force after {PATIENCE_S:g} s"
        time.sleep(0.2)
