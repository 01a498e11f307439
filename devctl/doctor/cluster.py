"""Checks of the cluster: its answer, its CRDs, its operator, its flavors, and what the user may do there."""

from collections.abc import Iterator

from crds.resources import FLAVOR
from devctl.doctor import operator, schema
from devctl.doctor.results import Result, checked
from devctl.errors import DevctlError
from devctl.kube import identity
from devctl.session import Session
from devctl.status import flavor_choice
from devctl.text import counted

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
        version = session.api.read("/version", "version of the cluster")
    except DevctlError as error:
        yield Result("bad", "cluster", error.message)
        return
    yield Result(
        "good", "cluster", f"{session.api.target.server} runs Kubernetes {version.get('gitVersion', '?')}."
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
    return Result(
        "good", "you", f"You are {identity.username(session.api)}, in namespace {session.namespace}."
    )


def _rights(session: Session) -> Result:
    lacking = [
        f"{verb} {resource}{f'/{subresource}' if subresource else ''}"
        for verb, group, resource, subresource in _RIGHTS
        if not identity.may(session.api, verb, resource, session.namespace, group, subresource)
    ]
    if lacking:
        return Result(
            "bad", "rights", f"You lack these rights in namespace {session.namespace}: {', '.join(lacking)}."
        )
    return Result(
        "good", "rights", f"You have all the rights that devctl needs in namespace {session.namespace}."
    )


def _flavors(session: Session) -> Result:
    found = session.api.list_all(FLAVOR)
    if not found:
        return Result("bad", "flavors", "The cluster has no flavors. Ask its administrator to create one.")
    name = flavor_choice.default_of(found)
    if name is None:
        return Result(
            "unsure",
            "flavors",
            f"The cluster has {counted(len(found), 'flavor')}, but no default. Name one with --flavor.",
        )
    hint = flavor_choice.hint(found, None)
    return (
        Result("unsure", "flavors", hint)
        if hint
        else Result(
            "good", "flavors", f"The cluster has {counted(len(found), 'flavor')}. The default is {name}."
        )
    )
