"""`logs`, `exec`, `cp`, `edit`."""

import sys
from typing import Annotated

import typer

from devctl.commands import options


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(logs)
    app.command("exec")(exec_)
    app.command()(cp)
    app.command()(edit)


def logs(
    name: options.Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, help="Print only this many of the last lines.")
    ] = None,
    container: Annotated[
        str, typer.Option("--container", "-c", help="Container to read from.")
    ] = "devserver",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Print the log of a DevServer's sshd and start script."""
    from devctl.client import Client, DevServer
    from devctl.text import inert

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    server = DevServer.get(name, client=client)
    for line in server.logs(follow=follow, tail=tail, container=container):
        client.session.terminal.data(inert(line.decode(errors="replace")))


def exec_(
    name: options.Name,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="Command to run.")],
    tty: Annotated[
        bool | None,
        typer.Option(
            "--tty/--no-tty", "-t", help="Allocate a terminal. Default: only if this is a terminal."
        ),
    ] = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Run a command as root in a DevServer's container. Returns the command's exit code."""
    from devctl.client import CONTAINER, Client, DevServer
    from devctl.errors import Misuse
    from devctl.operations.exec import interact

    here = sys.stdin.isatty() and sys.stdout.isatty()
    if tty and not here:
        raise Misuse("--tty needs a terminal, and this is not one. Omit --tty.")
    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    server = DevServer.get(name, client=client)
    with_terminal = here if tty is None else tty
    raise typer.Exit(interact(client.api, server.namespace, server.pod, CONTAINER, command, with_terminal))


def cp(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FROM... TO", help="Files to copy. NAME:PATH is a file in the DevServer NAME."
        ),
    ],
    start: options.Start = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Copy files to or from a DevServer with scp, as the user dev. Directories are copied with their contents."""
    from devctl.client import Client
    from devctl.ssh import login

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    login.copy(client, sources, start)


def edit(
    name: options.Name,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Edit a DevServer's spec in $VISUAL or $EDITOR."""
    from devctl.client import Client, DevServer
    from devctl.operations import editor

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    editor.edit(DevServer.get(name, client=client))
