"""An operator behind a proxy of its own, and the DevServers of one namespace."""

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from crds.resources import DEVSERVER
from reconciler.engine.processes.process_tree import kill_tree
from tests import builders
from tests.e2e.kube import condition, eventually
from tests.engine_speed.driver import processes_of
from tests.faults.kubeapi import Api, Object
from tests.faults.proxy import Proxy
from tests.patience import PATIENCE_S, generous
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SharedCluster

WORKER = "pulumi-engine-worker"
PROVIDER = "pulumi-resource-kubernetes"
PROVIDER_PROXY = "pulumi-provider-proxy"
# Promised: for so long at most what a killed process started outlives it.
_ORPHANS_S = 5.0


@dataclass
class Operator(ReconcilerProcess):
    """A reconciler whose requests, and whose engine's, pass a proxy. deaths: when it was killed, by time.time()."""

    proxy: Proxy = field(kw_only=True)
    directory: Path = field(kw_only=True)
    deaths: list[float] = field(default_factory=list, kw_only=True)

    @classmethod
    def make(
        cls,
        cluster: SharedCluster,
        run_dir: Path | None = None,
        variables: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> "Operator":
        """One that does not run yet. settings: of the reconciler, by name; variables: of its environment besides.

        run_dir: a fresh one on tmpfs without it.
        """
        directory = Path(tempfile.mkdtemp(prefix="devserver-faults-", dir="/dev/shm"))
        proxy = Proxy(cluster.reconciler, directory)
        given = {f"DEVSERVER_{name.upper()}": str(value) for name, value in settings.items()}
        environment = {
            **cluster.environment(),
            "KUBECONFIG": str(proxy.kubeconfig),
            "DEVSERVER_RUN_DIR": str(run_dir or directory / "run"),
            "DEVSERVER_LOG_FORMAT": "json",
            # Faults are many and tests are short.
            "DEVSERVER_RETRY_CAP_S": "5",
            **given,
            **(variables or {}),
        }
        return cls(environment, directory / "log", proxy=proxy, directory=directory)

    @classmethod
    @contextmanager
    def running(cls, cluster: SharedCluster, **settings: Any) -> Iterator["Operator"]:
        """One that runs until the block ends."""
        operator = cls.make(cluster, **settings)
        try:
            operator.start()
            yield operator
        finally:
            operator.close()

    @property
    def run_dir(self) -> Path:
        return Path(self.environment["DEVSERVER_RUN_DIR"])

    def kill(self) -> None:
        super().kill()
        self.deaths.append(time.time())

    def revive(self) -> None:
        """Wait until a killed one and all that it started has ended, and start it again."""
        assert self.ended() == -signal.SIGKILL
        self.assert_nothing_is_left()
        self.start()

    def assert_nothing_is_left(self) -> None:
        """What it started ends with it, however it ended."""
        left = processes_of(self.run_dir)
        _, alive = psutil.wait_procs(left, timeout=generous(_ORPHANS_S))
        assert not alive, f"alive {generous(_ORPHANS_S):g} s after the reconciler: {alive}"

    def close(self) -> None:
        """End it, whatever state it is in, and remove its files."""
        if self.process is not None and self.process.poll() is None:
            # It may be stopped, and so may what it started.
            for process in [psutil.Process(self.process.pid), *self.children()]:
                process.resume()
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except Exception:
                kill_tree(self.process.pid)
                self.process.wait(PATIENCE_S)
        for process in processes_of(self.run_dir):
            kill_tree(process.pid)
        self.proxy.close()
        shutil.rmtree(self.directory)


@dataclass
class Space:
    """A namespace with DevServers that do not run, which is all that most faults need."""

    api: Api
    namespace: str

    def create(self, name: str, **spec: Any) -> Object:
        """Make a DevServer; spec replaces whole fields."""
        fields = {"image": "local/busybox:1", "running": False, "flavor": "tiny", **spec}
        return self.api.create(DEVSERVER, builders.manifest("DevServer", name, self.namespace, **fields))

    def get(self, name: str) -> Object | None:
        return self.api.get(DEVSERVER, self.namespace, name)

    def patch(self, name: str, **spec: Any) -> Object:
        return self.api.patch(DEVSERVER, self.namespace, name, {"spec": spec})

    def delete(self, name: str) -> None:
        self.api.delete(DEVSERVER, self.namespace, name)

    def all(self) -> list[Object]:
        return self.api.list(DEVSERVER, self.namespace)

    def await_applied(self, *names: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the present specs of these, of all without names, are applied and nothing is left to do."""

        def unfinished() -> list[str]:
            found = {obj["metadata"]["name"]: obj for obj in self.all()}
            wanted = names or tuple(found)
            return [_state(name, found.get(name)) for name in wanted if not is_applied(found.get(name))]

        _await_none(unfinished, "applied", timeout_s)

    def await_gone(self, *names: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until these, all without names, are gone."""

        def present() -> list[str]:
            found = {obj["metadata"]["name"]: obj for obj in self.all()}
            return [_state(name, obj) for name, obj in found.items() if name in names or not names]

        _await_none(present, "gone", timeout_s)


def is_applied(obj: Object | None) -> bool:
    """Whether the engine has carried out the present spec."""
    if obj is None or "deletionTimestamp" in obj["metadata"]:
        return False
    ready = condition(obj, "Ready")
    pending = condition(obj, "Reconciling") or condition(obj, "Stalled")
    applied = ready.get("observedGeneration") == obj["metadata"]["generation"]
    return applied and not pending and "inputsDigest" in obj["status"]


def _state(name: str, obj: Object | None) -> str:
    if obj is None:
        return f"{name}: there is none"
    told = [
        f"{item['type']}={item['status']} {item['reason']}: {item['message']}"
        for item in obj.get("status", {}).get("conditions", [])
    ]
    return f"{name}: deleted {obj['metadata'].get('deletionTimestamp', 'no')}, {told}"


def _await_none(unfinished: Callable[[], list[str]], what: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while left := unfinished():
        assert time.monotonic() < deadline, f"not {what} within {timeout_s:g} s: {left}"
        time.sleep(0.05)


def is_quiet(proxy: Proxy, quiet_s: float) -> bool:
    """Whether no write has come for a while."""
    writes = proxy.writes()
    return not writes or time.monotonic() - writes[-1].started > quiet_s


def await_quiet(proxy: Proxy, quiet_s: float = 0.5) -> None:
    """Wait until no write has come for a while."""
    eventually(lambda: is_quiet(proxy, quiet_s), "no more writes come")
