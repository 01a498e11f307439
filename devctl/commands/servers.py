"""`list`, `delete`, `stop`, `start`, `extend`, `wait`."""

from typing import Annotated

import typer

from devctl.commands import options


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_)
    app.command()(delete)
    app.command()(stop)
    app.command()(start)
    app.command()(extend)
    app.command()(wait)


def list_(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing changes.")] = False,
    all_namespaces: options.AllNamespaces = False,
    output: options.Output = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """List DevServers."""
    from devctl.client import Client
    from devctl.display import listing
    from devctl.session import Session

    client = Client(Session.open(kubeconfig, context, namespace, output))
    if watch:
        listing.watch(client, all_namespaces)
    else:
        listing.show(client, all_namespaces)


def delete(
    names: options.Names,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is gone.")] = True,
    yes: options.Yes = False,
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Delete DevServers. Homes stay unless home.onDelete is Delete (see `devctl volumes`)."""
    from devctl.client import Client, DevServer, duration
    from devctl.ssh import include
    from devctl.terminal import prompts

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    timeout_s = duration(timeout).total_seconds()
    servers = [DevServer.get(name, client=client) for name in names]
    if not yes:
        prompts.confirm(f"Delete {', '.join(server.name for server in servers)} in {client.namespace}?")
    for server in servers:
        server.delete()
    for server in servers:
        if wait:
            server.wait_gone(timeout_s)
        client.session.terminal.say(f"{'Deleted' if wait else 'Deleting'} {server.name}.")
    include.refresh(client)


def stop(
    names: options.Names,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has stopped.")] = False,
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Stop DevServers. Their pods end; homes and host keys stay. The time to live keeps counting."""
    from devctl.client import Client, DevServer, duration

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    timeout_s = duration(timeout).total_seconds()
    servers = [DevServer.get(name, client=client).stop() for name in names]
    for server in servers:
        if wait:
            server.wait_stopped(timeout_s)
        client.session.terminal.say(f"{server.name} {'has stopped' if wait else 'is stopping'}.")


def start(
    names: options.Names,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is ready.")] = False,
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Start stopped DevServers."""
    from devctl.client import Client, DevServer, duration
    from devctl.operations import readiness

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    timeout_s = duration(timeout).total_seconds()
    servers = [DevServer.get(name, client=client).start() for name in names]
    for server in servers:
        if wait:
            readiness.await_ready(server, client.session.terminal, timeout_s)
        client.session.terminal.say(f"{server.name} is {'ready' if wait else 'starting'}.")


def extend(
    name: options.Name,
    by: Annotated[str, typer.Option("--by", help="Time to add.", metavar="DURATION")] = "4h",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Extend a DevServer's time to live. The operator sets a maximum."""
    from devctl.client import Client, DevServer, duration
    from devctl.operations import lifetime

    longer = duration(by)
    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    lifetime.extend(DevServer.get(name, client=client), longer, client.session.terminal)


def wait(
    name: options.Name,
    for_: Annotated[
        str, typer.Option("--for", help="State to wait for: ready, stopped or deleted.", metavar="STATE")
    ] = "ready",
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Wait until a DevServer is ready, stopped or deleted."""
    from devctl.client import Client, DevServer, duration
    from devctl.errors import Misuse, NotFound
    from devctl.operations import readiness

    if for_ not in ("ready", "stopped", "deleted"):
        raise Misuse(f"--for {for_!r} is not one of ready, stopped, deleted.")
    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    timeout_s = duration(timeout).total_seconds()
    try:
        server = DevServer.get(name, client=client)
    except NotFound:
        if for_ == "deleted":
            return
        raise
    if for_ == "ready":
        readiness.await_ready(server, client.session.terminal, timeout_s)
    elif for_ == "stopped":
        server.wait_stopped(timeout_s)
    else:
        server.wait_gone(timeout_s)
