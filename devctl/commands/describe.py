"""`describe`."""

import typer

from devctl.commands import options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(describe)


def describe(
    name: options.Name,
    output: options.Output = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Show the conditions, events and children of a DevServer. Also its last update and the time left."""
    from devctl.client import Client, DevServer
    from devctl.display import description
    from devctl.session import Session
    from devctl.times import now

    client = Client(Session.open(kubeconfig, context, namespace, output))
    server = DevServer.get(name, client=client)
    form, terminal = client.session.output, client.session.terminal
    if form in ("json", "yaml"):
        terminal.machine(form, server.object)
    elif form == "name":
        terminal.data(server.name)
    else:
        terminal.out.print(description.described(description.gather(server), now()))
