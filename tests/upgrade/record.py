"""Makes a recording of the checkout that it runs from: `python -m tests.upgrade.record VERSION`, as root.

It takes a few minutes and a fresh local cluster of its own, which it removes. README.md says when one is wanted.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import localcluster
from localcluster.namespaces import entered
from localcluster.paths import Paths
from tests import shared_cluster
from tests.e2e.kube import condition, eventually
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import ROOT, SYSTEM_NAMESPACE, SharedCluster
from tests.upgrade import shapes
from tests.upgrade.etcd import Entry, Etcd
from tests.upgrade.recording import Recording

_CLUSTER = "upgrade"
_ETCD_PORT = 2379
_SETTLE_S = 300
# Nothing may change any more for so long.
_QUIET_S = 10
# What belongs to a running cluster, not to its objects; and what every API server makes for itself.
_LEFT_OUT = ("events", "leases", "masterleases", "flowschemas", "prioritylevelconfigurations")
_LEASE = f"/registry/leases/{SYSTEM_NAMESPACE}/"

Object = dict[str, Any]


def main() -> int:
    if len(sys.argv) == 1:
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "--dump":
        return _print_entries()
    os.environ["LOCALCLUSTER_NAME"] = _CLUSTER
    # Few revisions were used by a cluster that is new, so that the test takes less time.
    localcluster.down(shared_cluster.settings())
    cluster = shared_cluster.ensure()
    with tempfile.TemporaryDirectory(prefix="devserver-record-", dir="/dev/shm") as directory:
        _make_all(cluster, Path(directory))
    recording = Recording(
        version=sys.argv[1],
        recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        service_cidr=str(localcluster.status(shared_cluster.settings()).settings.service_cidr),
        settings=shapes.SETTINGS,
    )
    recording.save(_entries())
    localcluster.down(shared_cluster.settings())
    return 0


def _make_all(cluster: SharedCluster, directory: Path) -> None:
    """Have the operator of this checkout make all shapes; returns when it has stopped and nothing changes any more."""
    environment = {**cluster.environment(), "DEVSERVER_RUN_DIR": str(directory / "run"), **shapes.SETTINGS}
    operator = ReconcilerProcess(environment, directory / "log")
    operator.start()
    try:
        cluster.apply(*shapes.users(), *shapes.flavors())
        _await_settled(cluster)
        cluster.apply(*shapes.belongings(), *shapes.devservers())
        _await_settled(cluster)
        namespace, name = shapes.RETURNED
        cluster.kubectl("delete", "devserver", f"--namespace={namespace}", name, "--timeout=60s")
        cluster.apply(*shapes.changes())
        namespace, name, patch = shapes.DRIFTED
        cluster.kubectl(
            "patch",
            "configmap",
            f"--namespace={namespace}",
            name,
            "--type=merge",
            f"--patch={json.dumps(patch)}",
        )
        _await_settled(cluster)
    finally:
        operator.stop()
    time.sleep(_QUIET_S)


def _await_settled(cluster: SharedCluster) -> None:
    """Wait until all resources are as they should be and have been so for a while."""
    before: list[Object] = []
    since = time.monotonic()

    def settled() -> bool:
        nonlocal before, since
        listed = cluster.kubectl("get", "devservers,devserverflavors,devserverusers", "-A", "-ojson")
        found: list[Object] = json.loads(listed)["items"]
        if found != before:
            unsettled = [item["metadata"]["name"] for item in found if not _is_settled(item)]
            print(f"{len(found)} resources; not settled: {' '.join(unsettled) or 'none'}", file=sys.stderr)
        if found != before or not all(map(_is_settled, found)):
            before, since = found, time.monotonic()
        return time.monotonic() - since > _QUIET_S

    eventually(settled, "all resources are settled", _SETTLE_S)


def _is_settled(resource: Object) -> bool:
    ready = condition(resource, "Ready")
    if ready.get("reason") == "RoleNotAllowed":
        return True
    is_up = ready.get("status") == "True" or ready.get("reason") == "Stopped"
    is_of_now = ready.get("observedGeneration") == resource["metadata"]["generation"]
    return is_up and is_of_now and not condition(resource, "Reconciling")


def _entries() -> list[Entry]:
    """The cluster's keys, asked for from inside its network, where etcd is."""
    command = [*entered(Paths.of(_CLUSTER)), sys.executable, "-m", "tests.upgrade.record", "--dump"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return [Entry(key, bytes.fromhex(value), revision) for key, value, revision in json.loads(done.stdout)]


def _print_entries() -> int:
    found = Etcd(_ETCD_PORT).entries("/registry/")
    wanted = [
        entry for entry in found if entry.key.split("/")[2] not in _LEFT_OUT or entry.key.startswith(_LEASE)
    ]
    json.dump([(entry.key, entry.value.hex(), entry.revision) for entry in wanted], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
