"""`config`: the settings' file, and what ssh is told."""

from typing import Annotated

import typer

from devctl.commands import options

app = typer.Typer(
    help="Show and begin the settings' file; tell ssh of your DevServers.", no_args_is_help=True
)


@app.command()
def path() -> None:
    """Print where the settings' file is."""
    from devctl import config
    from devctl.text import inert

    typer.echo(inert(config.path()))


@app.command()
def show(output: options.Output = None) -> None:
    """Print the settings in force."""
    from devctl import config
    from devctl.terminal.output import Terminal

    settings = config.load().model_dump(mode="json")
    Terminal().machine("json" if output == "json" else "yaml", settings)


@app.command()
def init(
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
) -> None:
    """Write a settings' file in which every setting is explained."""
    from devctl import config, files
    from devctl.errors import Misuse
    from devctl.terminal.output import Terminal

    file = config.path()
    if file.exists() and not force:
        raise Misuse(f"{file} is there already: edit it, or replace it with --force")
    try:
        files.replace(file, config.template())
    except OSError as error:
        raise Misuse(f"cannot write {file}: {error.strerror or error}") from error
    Terminal().say(f"{file} is written")


@app.command("ssh-include")
def ssh_include(
    write: Annotated[bool, typer.Option("--write", help="Write it; else it is only shown.")] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Let `ssh NAME`, scp, rsync and VS Code reach the DevServers of a namespace.

    Shows what it would change; --write does it. Later creates and deletes keep it up to date.
    """
    from devctl.client import Client
    from devctl.ssh import include

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    terminal = client.session.terminal
    changes = include.changes(client)
    if not changes:
        terminal.say("ssh knows your DevServers already")
    elif write:
        include.apply(changes)
        terminal.say("written: " + ", ".join(str(change.file) for change in changes))
    else:
        include.show(changes, terminal)
        terminal.say("nothing was written: --write does it")
