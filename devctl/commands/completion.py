"""Completion of names that the cluster knows. A shell that completes is told nothing of errors."""

from collections.abc import Callable

import typer

from crds.resources import DEVSERVER, FLAVOR, PVC, USER, Resource

Completer = Callable[[typer.Context, str], list[str]]


def _names(resource: Resource) -> Completer:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from devctl.errors import DevctlError
        from devctl.session import Session

        given = ctx.params
        try:
            session = Session.open(given.get("kubeconfig"), given.get("context"), given.get("namespace"))
            namespace = session.namespace if resource.namespaced else ""
            found = [str(item["metadata"]["name"]) for item in session.api.list_all(resource, namespace)]
        except DevctlError:
            return []
        # A name is of letters, digits, dots and dashes; nothing else goes to a shell.
        return [name for name in found if name.startswith(incomplete) and name.isprintable()]

    return complete


devservers = _names(DEVSERVER)
flavors = _names(FLAVOR)
homes = _names(PVC)
users = _names(USER)
