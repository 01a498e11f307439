"""Checks of the cluster: its answer, its CRDs, its operator, its flavors, and what the user may do there."""

from collections.abc import Iterator

from crds.resources import FLAVOR
from devctl.doctor import operator, schema
from devctl.doctor.results import Result, checked
from devctl.errors import DevctlError
from devctl.kube import identity
from devctl.session import Session
from devctl.status import flavor_choice

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


def run(session: Session) -> Iterator[Result]:
    """All of them; only the first, if it does not answer."""
    try:
        version = session.api.read("/version", "the cluster's version")
    except DevctlError as error:
        yield Result("bad", "cluster", error.message)
        return
    yield Result(
        "good", "cluster", f"{session.api.target.server} is Kubernetes {version.get('gitVersion', '?')}"
    )
    yield checked("you", lambda: _you(session))
    for about, check in (
        ("CRDs", schema.check),
        ("operator", operator.check),
        ("rights", _rights),
        ("flavors", _flavors),
    ):
        yield checked(about, lambda check=check: check(session))  # type: ignore[misc]


def _you(session: Session) -> Result:
    return Result("good", "you", f"{identity.username(session.api)}, in namespace {session.namespace}")


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
    name = flavor_choice.default_of(found)
    if name is None:
        return Result("unsure", "flavors", f"{len(found)}, none of them the default: name one with --flavor")
    hint = flavor_choice.hint(found, None)
    return (
        Result("unsure", "flavors", hint)
        if hint
        else Result("good", "flavors", f"{len(found)}, the default is {name}")
    )
