"""Kubeconfigs for DevServerUsers, with a token that expires."""

import base64
from datetime import timedelta
from pathlib import Path

import yaml

from crds import NAMESPACE_PREFIX
from crds.resources import SERVICE_ACCOUNT, USER
from devctl import files
from devctl.errors import DevctlError, Forbidden, Misuse
from devctl.kube.api import Api
from devctl.objects import Object
from devctl.session import Session

# The API server's own bounds on TokenRequest.
_MIN_TOKEN = timedelta(minutes=10)
_MAX_TOKEN = timedelta(days=7)


def issue(session: Session, name: str, duration: timedelta) -> str:
    """A kubeconfig that acts as the user for so long. Raises Misuse, NotFound."""
    if not _MIN_TOKEN <= duration <= _MAX_TOKEN:
        raise Misuse(f"--duration must be between {_MIN_TOKEN.seconds // 60}m and {_MAX_TOKEN.days * 24}h.")
    api = session.api
    username = _username(api, name)
    namespace = f"{NAMESPACE_PREFIX}{username}"
    path = SERVICE_ACCOUNT.path(namespace, username, "token")
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": int(duration.total_seconds())},
    }
    answer = api.post(path, request, f"ServiceAccount {username} in {namespace}")
    return yaml.safe_dump(_kubeconfig(api, username, namespace, answer["status"]["token"]), sort_keys=False)


def _username(api: Api, name: str) -> str:
    try:
        return str(api.get(USER, name)["spec"]["username"])
    except Forbidden:
        # Those who may renew their own token need not be able to read users.
        return name


def _kubeconfig(api: Api, username: str, namespace: str, token: str) -> Object:
    configuration = api.configuration
    cluster: Object = {"server": configuration.host}
    if configuration.ssl_ca_cert:
        cluster["certificate-authority-data"] = base64.b64encode(
            Path(configuration.ssl_ca_cert).read_bytes()
        ).decode()
    if configuration.tls_server_name:
        cluster["tls-server-name"] = configuration.tls_server_name
    if not configuration.verify_ssl:
        raise DevctlError(
            "Your kubeconfig does not verify the cluster's certificate. devctl passes no such kubeconfig on."
        )
    name = f"{username}@devserver"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "devserver", "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [
            {"name": name, "context": {"cluster": "devserver", "user": name, "namespace": namespace}}
        ],
        "current-context": name,
    }


def write(file: str, text: str) -> None:
    """Write a file that its owner alone can read. Raises Misuse."""
    try:
        files.replace(Path(file).expanduser(), text)
    except OSError as error:
        raise Misuse(f"Cannot write {file}: {error.strerror or error}") from error
