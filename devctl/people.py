"""DevServerUsers: adding them, and kubeconfigs for them."""

import base64
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import yaml
from pydantic import ValidationError

from crds import API_VERSION, NAMESPACE_PREFIX
from crds.resources import SERVICE_ACCOUNT, USER
from crds.user import DevServerUser
from devctl import hosts, waiting
from devctl.api import Api, Object
from devctl.errors import CannotStart, DevctlError, Forbidden, Misuse
from devctl.progress import condition, is_true
from devctl.session import Session

# The API server's own bounds on TokenRequest.
_MIN_TOKEN = timedelta(minutes=10)
_MAX_TOKEN = timedelta(days=7)


def manifest(name: str, *, keep: bool, quota: Sequence[str]) -> Object:
    """A DevServerUser. Raises Misuse."""
    hard = dict(_bound(text) for text in quota)
    body: Object = {
        "apiVersion": API_VERSION,
        "kind": "DevServerUser",
        "metadata": {"name": name},
        "spec": {
            "username": name,
            "deletionPolicy": "Retain" if keep else "Delete",
            **({"quotas": {"resourceQuotaSpec": {"hard": hard}}} if hard else {}),
        },
    }
    try:
        DevServerUser.model_validate(body)
    except ValidationError as error:
        faults = {
            f"{_place(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        }
        raise Misuse("; ".join(sorted(faults))) from error
    return body


def _place(location: Sequence[object]) -> str:
    return "--quota" if "quotas" in location else "USER"


def _bound(text: str) -> tuple[str, str]:
    name, separator, quantity = text.partition("=")
    if not separator or not name or not quantity:
        raise Misuse(f"--quota {text!r} is not of the form RESOURCE=QUANTITY, for example pods=5")
    return name, quantity


def add(session: Session, name: str, *, keep: bool, quota: Sequence[str], timeout_s: float) -> None:
    """Add one, and wait until the operator has made the namespace. Raises CannotStart, TimedOut."""
    session.api.create(USER, manifest(name, keep=keep, quota=quota))

    def check(user: Object | None) -> bool | None:
        stalled = condition(user or {}, "Stalled")
        if stalled.get("status") == "True":
            raise CannotStart(f"{name}: {stalled.get('reason')}: {stalled.get('message')}")
        return True if user is not None and is_true(user, "Ready") else None

    objects = waiting.follow(session.api, USER, name, "", timeout_s)
    waiting.until(
        objects,
        check,
        lambda: f"user {name} is added, but not ready after {timeout_s:g} s: does the operator run?",
    )
    session.terminal.say(f"{name} may have DevServers in namespace {NAMESPACE_PREFIX}{name}")


def kubeconfig(session: Session, name: str, duration: timedelta) -> str:
    """A kubeconfig that acts as the user for so long. Raises Misuse, NotFound."""
    if not _MIN_TOKEN <= duration <= _MAX_TOKEN:
        raise Misuse(f"--duration must be from {_MIN_TOKEN.seconds // 60}m to {_MAX_TOKEN.days * 24}h")
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
            "your own kubeconfig does not check the cluster's certificate: devctl passes that on to nobody"
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
        hosts.replace(Path(file).expanduser(), text)
    except OSError as error:
        raise Misuse(f"cannot write {file}: {error.strerror or error}") from error
