"""`flavors`."""

import typer

from devctl import options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(flavors)


def flavors(
    output: options.Output = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """List flavors: which is the default, which are schedulable now, on how many nodes, and why not."""
    from devctl import advice, tables
    from devctl.resources import FLAVOR
    from devctl.session import Session

    session = Session.open(kubeconfig, context, None, output)
    found = sorted(session.api.list_all(FLAVOR), key=lambda flavor: str(flavor["metadata"]["name"]))
    form, terminal = session.output, session.terminal
    if form in ("json", "yaml"):
        terminal.machine(form, {"apiVersion": "v1", "kind": "List", "items": found})
    elif form == "name":
        for flavor in found:
            terminal.data(flavor["metadata"]["name"])
    elif not found:
        terminal.say("The cluster has no flavors: its administrator makes them")
    else:
        terminal.table(*tables.flavors(found, advice.default_of(found), form == "wide"))
        for flavor in found:
            why = advice.why_not(flavor)
            if why and form != "wide":
                terminal.say(f"{flavor['metadata']['name']}: {why}")
