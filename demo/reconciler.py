"""The reconciler as a process of its own, under its own identity, left running for the user to play with.

It is found by its command line and environment, never by a recorded pid: a record could be missing or out of date.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import yaml

import toolchain
from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.manifests import RECONCILER, ROOT, SYSTEM_NAMESPACE
from demo.target import Target

TOKEN_LIFE = timedelta(hours=24)
_PACKAGES = ("crds", "stacks", "reconciler")
_FINGERPRINT = "DEVSERVER_DEMO_FINGERPRINT"
_START_S = 60.0
_STOP_S = 20.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Reconciler:
    """The demo's reconciler for one cluster."""

    target: Target

    @property
    def log(self) -> Path:
        """What it has said: JSON lines."""
        return self.target.directory / "reconciler.log"

    @property
    def _run_dir(self) -> Path:
        return self.target.directory / "run"

    def find(self) -> psutil.Process | None:
        """The running process, None if there is none."""
        for process in psutil.process_iter():
            try:
                if process.cmdline()[1:] == ["-m", "reconciler"] and self._is_ours(process):
                    return process
            except psutil.Error:
                continue
        return None

    def _is_ours(self, process: psutil.Process) -> bool:
        return process.environ().get("DEVSERVER_RUN_DIR") == str(self._run_dir)

    def ensure(self, kubectl: Kubectl) -> psutil.Process:
        """Have a reconciler of the present code, settings and cluster, with a token that lasts.

        Raises DemoError if it does not start.
        """
        cluster = _cluster_entry(kubectl)
        fingerprint = self._fingerprint(cluster)
        running = self.find()
        if running is not None:
            young = time.time() - running.create_time() < TOKEN_LIFE.total_seconds() / 2
            if young and running.environ().get(_FINGERPRINT) == fingerprint:
                return running
            self.stop()
        return self._start(kubectl, cluster, fingerprint)

    def stop(self) -> bool:
        """Stop it if it runs; whether it did."""
        process = self.find()
        if process is None:
            return False
        process.terminate()
        try:
            process.wait(_STOP_S)
        except psutil.TimeoutExpired:
            # Nothing is lost: its next start ends what it left behind, and adopts what was made.
            process.kill()
            process.wait(_STOP_S)
        return True

    def log_tail(self, lines: int = 12) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _start(self, kubectl: Kubectl, cluster: dict[str, Any], fingerprint: str) -> psutil.Process:
        kubeconfig = self.target.directory / "reconciler.kubeconfig"
        _write_private(kubeconfig, yaml.safe_dump(_kubeconfig(cluster, _token(kubectl))))
        environment = {
            **kubectl.environment,
            **self._settings(),
            "KUBECONFIG": str(kubeconfig),
            _FINGERPRINT: fingerprint,
        }
        with self.log.open("ab") as log:
            position = log.tell()
            process = psutil.Popen(
                [sys.executable, "-m", "reconciler"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_it_leads(process, position)
        return psutil.Process(process.pid)

    def _wait_until_it_leads(self, process: psutil.Popen, position: int) -> None:
        deadline = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < deadline:
            with self.log.open("rb") as log:
                log.seek(position)
                if b'"event": "leading"' in log.read():
                    return
            time.sleep(_POLL_S)
        if process.poll() is not None:
            raise DemoError(f"the reconciler ended at once, with exit code {process.returncode}")
        self.stop()
        raise DemoError(f"the reconciler did not start within {_START_S:.0f} s")

    def _settings(self) -> dict[str, str]:
        """The user's own settings, and those that follow from the demo."""
        return {
            # On the user's own machine no port is ours to take.
            "DEVSERVER_HTTP_HOST": "127.0.0.1",
            "DEVSERVER_HTTP_PORT": "0",
            **{name: value for name, value in os.environ.items() if name.startswith("DEVSERVER_")},
            "DEVSERVER_NAMESPACE": SYSTEM_NAMESPACE,
            "DEVSERVER_PULUMI_HOME": str(toolchain.pulumi_home()),
            "DEVSERVER_RUN_DIR": str(self._run_dir),
            "DEVSERVER_LOG_FORMAT": "json",
        }

    def _fingerprint(self, cluster: dict[str, Any]) -> str:
        """Changes with everything that a running process would not notice: code, settings, cluster."""
        digest = hashlib.sha256(json.dumps([cluster, self._settings(), sys.executable]).encode())
        for package in _PACKAGES:
            for file in sorted((ROOT / package).rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    digest.update(file.read_bytes())
        return digest.hexdigest()


def _cluster_entry(kubectl: Kubectl) -> dict[str, Any]:
    """Address and authority of the cluster in use, as a kubeconfig holds them."""
    config = json.loads(kubectl("config", "view", "--minify", "--flatten", "--raw", "--output=json"))
    entry: dict[str, Any] = config["clusters"][0]["cluster"]
    return entry


def _token(kubectl: Kubectl) -> str:
    life = f"{TOKEN_LIFE.total_seconds():.0f}s"
    return kubectl(
        "create", "token", RECONCILER, f"--namespace={SYSTEM_NAMESPACE}", f"--duration={life}"
    ).strip()


def _kubeconfig(cluster: dict[str, Any], token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": RECONCILER,
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": RECONCILER, "user": {"token": token}}],
        "contexts": [{"name": RECONCILER, "context": {"cluster": "cluster", "user": RECONCILER}}],
    }


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, at once or not at all."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
