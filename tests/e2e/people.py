"""DevServerUsers of tests, and kubectl in their names."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.kube import Kube
from tests.patience import PATIENTLY


def manifest(name: str, username: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServerUser",
        "metadata": {"name": name},
        "spec": {"username": username, **spec},
    }


@dataclass(frozen=True)
class Person:
    """A username of a test's own. admin: kubectl bound to the person's namespace, as the administrator."""

    name: str
    admin: Kube
    directory: Path

    def apply(self, name: str = "", **spec: Any) -> None:
        """Write the DevServerUser, which is named after the person unless told otherwise."""
        self.admin.apply(manifest(name or self.name, self.name, **spec))

    def wait_ready(self) -> None:
        self.admin.wait_ready("dvsu", self.name)

    def resource(self) -> dict[str, Any]:
        return self.admin.get("dvsu", self.name) or {}

    def remove(self) -> None:
        self.admin("delete", "dvsu", self.name, PATIENTLY)

    def sign_in(self) -> Kube:
        """kubectl with a new token of the person's ServiceAccount."""
        config = yaml.safe_load(self.admin.kubeconfig.read_text())
        token = self.admin("create", "token", self.name, "--duration=1h").strip()
        config["users"][0]["user"] = {"token": token}
        path = self.directory / f"kubeconfig-{secrets.token_hex(4)}"
        path.write_text(yaml.safe_dump(config))
        return Kube(path, self.admin.namespace)
