"""`create`."""

from typing import Annotated

import typer

from devctl.commands import options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(create)


def create(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of the DevServer. Generated if omitted.")
    ] = None,
    image: Annotated[str | None, typer.Option("--image", help="Image, for example debian:bookworm.")] = None,
    flavor: options.Flavor = None,
    ttl: Annotated[
        str | None, typer.Option("--ttl", help="Time to live, for example 8h.", metavar="DURATION")
    ] = None,
    home: Annotated[
        str | None, typer.Option("--home", help="Size of the home volume, for example 10Gi, or none.")
    ] = None,
    volume: Annotated[
        list[str] | None,
        typer.Option(
            "--volume", help="PersistentVolumeClaim to mount. Can be repeated.", metavar="PVC:/PATH[:ro]"
        ),
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="File with a public key. Can be repeated.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until you can log in.")] = False,
    ssh: Annotated[bool, typer.Option("--ssh", help="Wait, then log in.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the manifest that the cluster would accept, and create nothing."
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Create nothing if no node has room for the flavor now.")
    ] = False,
    timeout: options.Timeout = "5m",
    output: options.Output = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Create a DevServer and print its name."""
    from devctl.client import Client, duration
    from devctl.manifests.drafts import Wishes
    from devctl.operations import creation, readiness
    from devctl.session import Session
    from devctl.ssh import include

    client = Client(Session.open(kubeconfig, context, namespace, output))
    timeout_s = duration(timeout).total_seconds()
    wishes = Wishes(name, image, flavor, ttl, home, tuple(volume or ()), tuple(key or ()))
    server = creation.create(client, wishes, strict=strict, dry_run=dry_run)
    creation.report(server, dry_run)
    if dry_run:
        return
    include.refresh(client)
    if wait or ssh:
        readiness.await_ready(server, client.session.terminal, timeout_s)
    if ssh:
        from devctl.ssh import login

        login.log_in(server, [])
