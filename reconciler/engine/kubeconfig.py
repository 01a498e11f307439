"""The engine's kubeconfig: it reaches the API server through the watchdog.

The engine may send requests at any time, even after the machine slept and the Lease ran out. The watchdog passes on
none of those. So the engine gets a kubeconfig of its own, with the watchdog's port in place of the API server's
address. Credentials stay in the files where they are.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_Entry = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """A cluster and a user, as in a kubeconfig, with absolute paths."""

    cluster: _Entry
    user: _Entry

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the API server."""
        server = urlsplit(self.cluster["server"])
        return server.hostname or "", server.port or 443

    def through(self, port: int) -> _Entry:
        """A kubeconfig that goes through a port of this host. The API server's certificate is checked as before."""
        server = urlsplit(self.cluster["server"])._replace(netloc=f"127.0.0.1:{port}").geturl()
        cluster = {"tls-server-name": self.address[0], **self.cluster, "server": server}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "engine", "cluster": cluster}],
            "users": [{"name": "engine", "user": self.user}],
            "contexts": [{"name": "engine", "context": {"cluster": "engine", "user": "engine"}}],
            "current-context": "engine",
        }


def find_access(environment: Mapping[str, str]) -> Access | None:
    """The cluster and user that `connect` uses too; None if there are none, or not by plain HTTPS."""
    if "KUBECONFIG" not in environment and "KUBERNETES_SERVICE_HOST" in environment:
        return _in_cluster(environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"])
    paths = environment.get("KUBECONFIG", "~/.kube/config").split(os.pathsep)
    files = [Path(path).expanduser() for path in paths if path]
    try:
        configs = [(file.parent, yaml.safe_load(file.read_text())) for file in files if file.exists()]
        context = _entry(configs, "contexts", _last(config.get("current-context") for _, config in configs))
        found = Access(
            _entry(configs, "clusters", context["cluster"]), _entry(configs, "users", context["user"])
        )
        is_plain = found.cluster["server"].startswith("https://") and "proxy-url" not in found.cluster
    except (OSError, yaml.YAMLError, LookupError, AttributeError, TypeError):
        return None
    return found if is_plain else None


def write_config(access: Access, port: int, file: Path) -> None:
    """Write the kubeconfig, readable by this user alone."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(access.through(port)))


def _in_cluster(host: str, port: str) -> Access:
    name = f"[{host}]" if ":" in host else host
    authority, token = _SERVICE_ACCOUNT / "ca.crt", _SERVICE_ACCOUNT / "token"
    return Access(
        {"server": f"https://{name}:{port}", "certificate-authority": str(authority)},
        {"tokenFile": str(token)},
    )


def _last(values: Iterator[str | None]) -> str:
    return [value for value in values if value][-1]


def _entry(configs: list[tuple[Path, _Entry]], kind: str, name: str) -> _Entry:
    """The first entry of that name, with its paths made absolute. Raises LookupError."""
    for directory, config in configs:
        for item in config.get(kind) or []:
            if item["name"] == name:
                entry = dict(item[kind.removesuffix("s")])
                return entry | {key: str(directory.absolute() / entry[key]) for key in _FILES if key in entry}
    raise LookupError(name)
