"""`devctl doctor`: one check a line, each with what to do if it fails."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from rich.text import Text

from crds.resources import DEVSERVER, FLAVOR, LEASE
from crds.schema import definitions
from devctl import advice, identity
from devctl.api import Object, now
from devctl.errors import DevctlError, Forbidden, NotFound
from devctl.keys import default
from devctl.output import Cell
from devctl.session import Session
from devctl.text import inert, parse_time, span

Level = Literal["good", "unsure", "bad"]
_STYLES: dict[str, str] = {"good": "green", "unsure": "yellow", "bad": "red"}
# Of the operator as deploy/ installs it.
_SYSTEM_NAMESPACE, _LEASE = "devserver-system", "devserver-reconciler"
# The leader renews its Lease each second; others take it after 15.
_LEASE_AGE = timedelta(seconds=30)
# A change that the operator has not taken up for so long says that it is away.
_UNSEEN_AGE = timedelta(minutes=1)
# What a user's commands need: verb, group, resource, subresource.
_RIGHTS = (
    *(
        (verb, "devserver.io", "devservers", "")
        for verb in ("get", "list", "watch", "create", "patch", "update", "delete")
    ),
    *((verb, "", resource, "") for resource in ("pods", "services", "events") for verb in ("get", "list")),
    *((verb, "", "persistentvolumeclaims", "") for verb in ("get", "list", "delete")),
    ("get", "", "pods", "log"),
    ("create", "", "pods", "exec"),
    ("create", "", "pods", "portforward"),
)
# KnownHosts files with paths in quotes and Include in the user's configuration.
_MIN_SSH = (7, 3)


@dataclass(frozen=True)
class Result:
    """A check's. about: what was looked at. said: what was found, and what to do."""

    level: Level
    about: str
    said: str


def run(session: Session) -> list[Result]:
    """All checks; those that need a cluster only if it answers."""
    return [*_local(session), *_remote(session)]


def show(session: Session, results: list[Result]) -> None:
    """Print them."""
    if session.output in ("json", "yaml"):
        session.terminal.machine(session.output, [vars(result) for result in results])
        return
    rows: list[list[Cell]] = [
        [Text(result.level, style=_STYLES[result.level]), result.about, inert(result.said)]
        for result in results
    ]
    session.terminal.table(["CHECK", "OF", "FOUND"], rows)


def _checked(about: str, check: Callable[[], Result]) -> Result:
    try:
        return check()
    except DevctlError as error:
        return Result("bad", about, error.message)


def _local(session: Session) -> Iterator[Result]:
    yield _checked("ssh client", _ssh)
    yield _checked("your key", lambda: Result("good", "your key", default(session.config.key).split()[0]))


def _ssh() -> Result:
    about = "ssh client"
    path = shutil.which("ssh")
    if path is None:
        return Result("bad", about, "there is no ssh on PATH: install your system's OpenSSH client")
    done = subprocess.run([path, "-V"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    said = (done.stderr or done.stdout).strip()
    match = re.match(r"OpenSSH_(\d+)\.(\d+)", said)
    if match is None:
        return Result("unsure", about, f"not OpenSSH: {said}")
    if (int(match[1]), int(match[2])) < _MIN_SSH:
        return Result("bad", about, f"{said} is too old: {_MIN_SSH[0]}.{_MIN_SSH[1]} or newer is needed")
    missing = [name for name in ("scp", "sftp") if shutil.which(name) is None]
    return Result("unsure", about, f"{said}, without {missing}") if missing else Result("good", about, said)


def _remote(session: Session) -> Iterator[Result]:
    try:
        version = session.api.read("/version", "the cluster's version")
    except DevctlError as error:
        yield Result("bad", "cluster", error.message)
        return
    yield Result(
        "good", "cluster", f"{session.api.target.server} is Kubernetes {version.get('gitVersion', '?')}"
    )
    yield _checked("you", lambda: _you(session))
    for about, check in (
        ("CRDs", _crds),
        ("operator", _operator),
        ("rights", _rights),
        ("flavors", _flavors),
    ):
        yield _checked(about, lambda check=check: check(session))  # type: ignore[misc]


def _you(session: Session) -> Result:
    return Result("good", "you", f"{identity.username(session.api)}, in namespace {session.namespace}")


def _crds(session: Session) -> Result:
    """The cluster's schema, which everyone signed in may read, beside this version's."""
    try:
        document = session.api.read("/openapi/v3/apis/devserver.io/v1", "the schema of devserver.io/v1")
    except (NotFound, Forbidden) as error:
        return Result(
            "bad", "CRDs", f"the cluster has no devserver.io/v1: kubectl apply -f crds/manifests ({error})"
        )
    schemas = (document.get("components") or {}).get("schemas") or {}
    theirs: Object = next((schema for name, schema in schemas.items() if name.endswith(".DevServer")), {})
    missing = sorted(_fields(_own_schema()) - _fields(_spec(theirs)))
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        return Result(
            "bad",
            "CRDs",
            f"the cluster's DevServer is of an older version, without spec.{shown}: update its CRDs",
        )
    extra = sorted(_fields(_spec(theirs)) - _fields(_own_schema()))
    if extra:
        return Result(
            "unsure",
            "CRDs",
            f"the cluster's DevServer is of a newer version, with spec.{', '.join(extra[:5])}",
        )
    return Result("good", "CRDs", "devserver.io/v1 is that of this devctl")


def _own_schema() -> Object:
    version = definitions()["devservers"]["spec"]["versions"][0]
    return _spec(version["schema"]["openAPIV3Schema"])


def _spec(schema: Object) -> Object:
    found: Any = (schema.get("properties") or {}).get("spec") or {}
    return dict(found)


def _fields(schema: Object, prefix: str = "") -> set[str]:
    """Paths of all fields of a schema."""
    inner = schema.get("items") or schema
    found = set()
    for name, part in (inner.get("properties") or {}).items():
        found |= {f"{prefix}{name}"} | _fields(part, f"{prefix}{name}.")
    return found


def _operator(session: Session) -> Result:
    """By its Lease, where one may read that; else by whether it takes up what is changed."""
    try:
        lease = session.api.get(LEASE, _LEASE, _SYSTEM_NAMESPACE)
    except Forbidden:
        return _operator_by_its_work(session)
    except NotFound:
        return Result(
            "bad",
            "operator",
            f"there is no Lease {_LEASE} in {_SYSTEM_NAMESPACE}: the operator never ran here",
        )
    renewed = parse_time((lease.get("spec") or {}).get("renewTime"))
    if renewed is None or now() - renewed > _LEASE_AGE:
        return Result(
            "bad",
            "operator",
            f"its Lease was last renewed {span(now() - renewed) if renewed else 'never'} ago",
        )
    return Result("good", "operator", f"alive: its Lease was renewed {span(now() - renewed)} ago")


def _operator_by_its_work(session: Session) -> Result:
    objects = [*session.api.list_all(FLAVOR), *session.api.list_all(DEVSERVER, session.namespace)]
    unseen = [obj for obj in objects if _is_unseen(obj)]
    if unseen:
        names = ", ".join(str(obj["metadata"]["name"]) for obj in unseen[:3])
        return Result(
            "bad", "operator", f"it has not taken up {names}: ask the administrator whether it runs"
        )
    seen = [obj for obj in objects if (obj.get("status") or {}).get("observedGeneration")]
    if not seen:
        return Result("unsure", "operator", "there is nothing yet by which to see whether it runs")
    return Result("good", "operator", "it has taken up everything (you may not read its Lease)")


def _is_unseen(obj: Object) -> bool:
    meta = obj["metadata"]
    if (obj.get("status") or {}).get("observedGeneration") == meta.get("generation"):
        return False
    # Of when the spec was written last; without that, of the creation.
    times = [
        parse_time(entry.get("time"))
        for entry in meta.get("managedFields") or []
        if not entry.get("subresource")
    ]
    written = max((time for time in times if time), default=parse_time(meta.get("creationTimestamp")))
    return written is not None and now() - written > _UNSEEN_AGE


def _rights(session: Session) -> Result:
    lacking = [
        f"{verb} {resource}{f'/{subresource}' if subresource else ''}"
        for verb, group, resource, subresource in _RIGHTS
        if not identity.may(session.api, verb, resource, session.namespace, group, subresource)
    ]
    if lacking:
        return Result("bad", "rights", f"in namespace {session.namespace} you may not {', '.join(lacking)}")
    return Result("good", "rights", f"in namespace {session.namespace} you may all that devctl needs")


def _flavors(session: Session) -> Result:
    found = session.api.list_all(FLAVOR)
    if not found:
        return Result("bad", "flavors", "the cluster has none: its administrator makes them")
    name = advice.default_of(found)
    if name is None:
        return Result("unsure", "flavors", f"{len(found)}, none of them the default: name one with --flavor")
    hint = advice.hint(found, None)
    return (
        Result("unsure", "flavors", hint)
        if hint
        else Result("good", "flavors", f"{len(found)}, the default is {name}")
    )
