"""`flavors`."""

import typer

from devctl.commands import options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(flavors)


def flavors(
    output: options.Output = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """List flavors. Says which is the default, which fit on a node now, on how many nodes, and why others do not."""
    from crds.resources import FLAVOR
    from devctl.display import tables
    from devctl.session import Session
    from devctl.status import flavor_choice

    session = Session.open(kubeconfig, context, None, output)
    found = sorted(session.api.list_all(FLAVOR), key=lambda flavor: str(flavor["metadata"]["name"]))
    form, terminal = session.output, session.terminal
    terminal.objects(
        form,
        found,
        lambda: tables.flavors(found, flavor_choice.default_of(found), form == "wide"),
        "The cluster has no flavors. Ask its administrator to create one.",
    )
    if form == "table":
        for flavor in found:
            if why := flavor_choice.why_not(flavor):
                terminal.say(f"{flavor['metadata']['name']}: {why}")
