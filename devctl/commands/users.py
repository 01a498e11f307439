"""`user`: for administrators."""

from typing import Annotated

import typer

from devctl.commands import options

app = typer.Typer(
    help="Manage the people who can have DevServers (for administrators).", no_args_is_help=True
)


@app.command("list")
def list_(
    output: options.Output = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """List DevServerUsers."""
    from crds.resources import USER
    from devctl.display import tables
    from devctl.session import Session
    from devctl.times import now

    session = Session.open(kubeconfig, context, None, output)
    found = sorted(session.api.list_all(USER), key=lambda user: str(user["metadata"]["name"]))
    nothing = "There are no DevServerUsers. Add one with `devctl user add NAME`."
    session.terminal.objects(session.output, found, lambda: tables.users(found, now()), nothing)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="USER", help="Name of the user. The namespace is dev-USER.")],
    keep: Annotated[
        bool,
        typer.Option("--retain/--delete", help="Keep or delete the namespace when the user is removed."),
    ] = True,
    quota: Annotated[
        list[str] | None,
        typer.Option(
            "--quota", help="Limit for the namespace. Can be repeated.", metavar="RESOURCE=QUANTITY"
        ),
    ] = None,
    timeout: options.Timeout = "1m",
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Add a DevServerUser and wait until the namespace exists."""
    from devctl.client import duration
    from devctl.operations import users
    from devctl.session import Session

    session = Session.open(kubeconfig, context)
    users.add(session, name, keep=keep, quota=quota or [], timeout_s=duration(timeout).total_seconds())


@app.command()
def remove(
    name: options.User,
    yes: options.Yes = False,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Remove a DevServerUser. The namespace stays unless the user was added with --delete."""
    from crds.resources import USER
    from devctl.session import Session
    from devctl.terminal import prompts

    session = Session.open(kubeconfig, context)
    user = session.api.get(USER, name)
    stays = (user.get("spec") or {}).get("deletionPolicy", "Retain") == "Retain"
    if not yes:
        fate = "The namespace stays." if stays else "The namespace will be deleted, with everything in it."
        prompts.confirm(f"Remove user {name}? {fate}")
    session.api.delete(USER, name, uid=user["metadata"]["uid"])
    session.terminal.say(f"Removing user {name}. The namespace {'stays' if stays else 'is deleted too'}.")


@app.command()
def kubeconfig(
    name: options.User,
    duration: Annotated[
        str, typer.Option("--duration", help="How long the token is valid.", metavar="DURATION")
    ] = "8h",
    file: Annotated[
        str | None,
        typer.Option("--file", "-f", help="Write to this file, readable only by you. Default: print it."),
    ] = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Create a kubeconfig for a user, with a token that expires."""
    from devctl.client import duration as span
    from devctl.operations import kubeconfigs
    from devctl.session import Session

    session = Session.open(kubeconfig, context)
    text = kubeconfigs.issue(session, name, span(duration))
    if file is None:
        session.terminal.data(text.rstrip())
    else:
        kubeconfigs.write(file, text)
        session.terminal.say(f"Wrote {file}. It is valid for {duration}.")
