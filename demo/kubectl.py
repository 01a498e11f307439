"""kubectl, as a person would use it."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import toolchain
from demo import console
from demo.errors import DemoError
from demo.manifests import ROOT

_TIMEOUT_S = 60


@dataclass(frozen=True)
class Kubectl:
    """Commands to one cluster: that of `kubeconfig`, or with None the one that kubectl finds by itself.

    They run in the checkout, so that file names are those a person would type.
    """

    kubeconfig: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which kubectl, and the pinned tools, find the cluster and each other."""
        tools = f"{toolchain.bin_dir()}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": tools} | (
            {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}
        )

    def command(self, *args: str) -> list[str]:
        """The command line, to be run in `environment`."""
        return [str(toolchain.binary("kubectl")), *args]

    def __call__(self, *args: str, stdin: str = "") -> str:
        """Standard output of a command. Raises DemoError with kubectl's message if it fails."""
        try:
            done = subprocess.run(
                self.command(*args),
                cwd=ROOT,
                env=self.environment,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise DemoError(f"kubectl {' '.join(args)} did not end within {_TIMEOUT_S} s") from None
        if done.returncode != 0:
            raise DemoError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def shown(self, *args: str) -> None:
        """Run a command and print it with its output."""
        console.line(f"$ kubectl {' '.join(args)}")
        console.block(self(*args))

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Apply a manifest that is given as data."""
        self("apply", "--filename=-", stdin=json.dumps(manifest))

    def find(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """The object as it is now; None if there is none."""
        scope = [f"--namespace={namespace}"] if namespace else []
        text = self("get", kind, name, *scope, "--ignore-not-found", "--output=json")
        return json.loads(text) if text else None

    def wait(self, *args: str, progress: Callable[[], str], every_s: float = 3.0) -> None:
        """`kubectl wait`, printing `progress()` every so many seconds. Raises DemoError if it was in vain."""
        console.wait_for(self.command("wait", *args), self.environment, progress, every_s)
