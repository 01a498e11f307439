"""`describe`."""

import typer

from devctl import options


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
    """Show all about a DevServer: conditions, events, children, what the last update changed, the time left."""
    from devctl import describing
    from devctl.api import now
    from devctl.client import Client, DevServer
    from devctl.session import Session

    client = Client(Session.open(kubeconfig, context, namespace, output))
    server = DevServer.get(name, client=client)
    form, terminal = client.session.output, client.session.terminal
    if form in ("json", "yaml"):
        terminal.machine(form, server.object)
    elif form == "name":
        terminal.data(server.name)
    else:
        terminal.out.print(describing.described(describing.gather(server), now()))
