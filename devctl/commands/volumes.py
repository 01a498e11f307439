"""`volumes`: claims of the namespace, retained homes above all."""

import typer

from devctl import options

app = typer.Typer(
    help="Volumes of your namespace: homes that outlived their DevServers, and others.", no_args_is_help=True
)


@app.command("list")
def list_(
    output: options.Output = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """List volumes: what each is, its size, and whether a DevServer has it."""
    from devctl import homes
    from devctl.api import now
    from devctl.client import Client
    from devctl.session import Session

    client = Client(Session.open(kubeconfig, context, namespace, output))
    homes.show(client, now())


@app.command()
def delete(
    claims: options.Homes,
    yes: options.Yes = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Delete volumes that no DevServer has, with all that is on them."""
    from devctl import asking, homes
    from devctl.client import Client

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    found = homes.deletable(client, claims)
    if not yes:
        asking.confirm(f"Delete {', '.join(claims)} in {client.namespace}, with all data?")
    homes.delete(client, found)
