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
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is new.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=0, help="Only so many last lines.")] = None,
    container: Annotated[str, typer.Option("--container", "-c", help="The container.")] = "devserver",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Print the log of a DevServer's pod: sshd's and the start script's."""
    from devctl.client import Client, DevServer
    from devctl.text import inert

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    server = DevServer.get(name, client=client)
    for line in server.logs(follow=follow, tail=tail, container=container):
        client.session.terminal.data(inert(line.decode(errors="replace")))


def exec_(
    name: options.Name,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command.")],
    tty: Annotated[
        bool | None,
        typer.Option("--tty/--no-tty", "-t", help="With a terminal; default: if there is one here."),
    ] = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Run a command in a DevServer's container, as root. Ends with its exit code."""
    from devctl.client import CONTAINER, Client, DevServer
    from devctl.errors import Misuse
    from devctl.operations.exec import interact

    here = sys.stdin.isatty() and sys.stdout.isatty()
    if tty and not here:
        raise Misuse("--tty needs a terminal here: leave it out")
    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    server = DevServer.get(name, client=client)
    with_terminal = here if tty is None else tty
    raise typer.Exit(interact(client.api, server.namespace, server.pod, CONTAINER, command, with_terminal))


def cp(
    sources: Annotated[
        list[str], typer.Argument(metavar="FROM... TO", help="Files; NAME:PATH is one there.")
    ],
    start: options.Start = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Copy files and directories to or from a DevServer, by scp as the user dev."""
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
