"""`ssh` and `ssh-proxy`."""

from typing import Annotated

import typer

from devctl.commands import options


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ssh)
    app.command("ssh-proxy")(ssh_proxy)


def ssh(
    name: options.Name,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- CMD...]", help="Command to run instead of a shell.")
    ] = None,
    start: options.Start = False,
    agent: Annotated[
        bool | None, typer.Option("--agent/--no-agent", "-A", help="Forward your SSH agent to the DevServer.")
    ] = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Log in to a DevServer as dev, or run a command there. Returns ssh's exit code."""
    from devctl.client import Client, DevServer
    from devctl.ssh import login

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    login.log_in(DevServer.get(name, client=client), command or [], start=start, agent=agent)


def ssh_proxy(
    name: options.Name,
    start: options.Start = False,
    timeout: options.Timeout = "60s",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Connect standard input and output to a DevServer's sshd. ssh runs this as its ProxyCommand."""
    from devctl.client import Client, duration
    from devctl.ssh import proxy

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    timeout_s = duration(timeout).total_seconds()
    proxy.carry(proxy.found(client, name, timeout_s), start, timeout_s)
