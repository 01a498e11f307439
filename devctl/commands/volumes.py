"""`volumes`: claims of the namespace, retained homes above all."""

import typer

from devctl.commands import options

app = typer.Typer(
    help="Manage the volumes of your namespace, such as retained homes.",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    output: options.Output = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """List volumes. Shows the use of each, its size, and the DevServers that use it."""
    from devctl.client import Client
    from devctl.display import tables
    from devctl.operations import volumes
    from devctl.session import Session
    from devctl.times import now

    client = Client(Session.open(kubeconfig, context, namespace, output))
    found = volumes.gather(client)
    client.session.terminal.objects(
        client.session.output,
        [volume.object for volume in found],
        lambda: tables.volumes(found, now()),
        f"There are no volumes in namespace {client.namespace}.",
    )


@app.command()
def delete(
    claims: options.Homes,
    yes: options.Yes = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Delete volumes that no DevServer uses, with all their data."""
    from devctl.client import Client
    from devctl.operations import volumes
    from devctl.terminal import prompts

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    found = volumes.deletable(client, claims)
    if not yes:
        prompts.confirm(f"Delete {', '.join(claims)} in {client.namespace} with all data?")
    volumes.delete(client, found)
