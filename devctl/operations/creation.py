"""`devctl create`: the draft, the hint whether its flavor finds room, and what is printed."""

from crds.resources import DEVSERVER, FLAVOR
from devctl.client import Client, DevServer
from devctl.errors import CannotStart, Refused
from devctl.manifests import drafts
from devctl.objects import Object
from devctl.status import flavor_choice

# Set by the API server, and of no use in a manifest.
_SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid", "selfLink")


def create(client: Client, wishes: drafts.Wishes, *, strict: bool, dry_run: bool) -> DevServer:
    """Create it, or with dry_run have the API server check it. Raises CannotStart if `strict` forbids it."""
    manifest = drafts.draft(client.session, wishes)
    hint = flavor_choice.hint(client.api.list_all(FLAVOR), manifest["spec"].get("flavor"))
    if hint and strict:
        raise CannotStart(f"Nothing was created. {hint}")
    if hint:
        client.session.terminal.warn(hint)
    try:
        made = client.api.create(DEVSERVER, manifest, client.namespace, dry_run)
    except Refused as error:
        if error.reason == "AlreadyExists" and wishes.name is None:
            raise Refused(
                "The generated name is taken. Try again, or choose a name.", error.reason
            ) from error
        raise
    return DevServer(client, made, is_own=True)


def report(server: DevServer, dry_run: bool) -> None:
    """Print its name; the manifest where a machine's form is asked for, or nothing was created."""
    form, terminal = server.client.session.output, server.client.session.terminal
    if form in ("json", "yaml"):
        terminal.machine(form, manifest(server.object) if dry_run else server.object)
    elif dry_run and form != "name":
        terminal.machine("yaml", manifest(server.object))
    else:
        terminal.data(server.name)


def manifest(obj: Object) -> Object:
    """The object as one would write it."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in _SERVER_FIELDS}
    return {
        **{name: value for name, value in obj.items() if name not in ("metadata", "status")},
        "metadata": metadata,
    }
