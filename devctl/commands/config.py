"""`config`: the settings file, and the configuration of ssh."""

from typing import Annotated

import typer

from devctl.commands import options

app = typer.Typer(help="Show or create the settings file, or set up ssh.", no_args_is_help=True)


@app.command()
def path() -> None:
    """Print the path of the settings file."""
    from devctl import config
    from devctl.text import inert

    typer.echo(inert(config.path()))


@app.command()
def show(output: options.Output = None) -> None:
    """Print the settings in effect."""
    from devctl import config
    from devctl.terminal.output import Terminal

    settings = config.load().model_dump(mode="json")
    Terminal().machine("json" if output == "json" else "yaml", settings)


@app.command()
def init(
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a settings file that explains every setting."""
    from devctl import config, files
    from devctl.errors import Misuse
    from devctl.terminal.output import Terminal

    file = config.path()
    if file.exists() and not force:
        raise Misuse(f"{file} already exists. Edit it, or replace it with --force.")
    try:
        files.replace(file, config.template())
    except OSError as error:
        raise Misuse(f"Cannot write {file}: {error.strerror or error}") from error
    Terminal().say(f"Wrote {file}.")


@app.command("ssh-include")
def ssh_include(
    write: Annotated[
        bool, typer.Option("--write", help="Write the files instead of showing the changes.")
    ] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Set up ssh for the DevServers of a namespace.

    Then `ssh NAME`, scp, rsync and VS Code reach them. Shows the changes; --write makes them. Afterwards
    `devctl create` and `devctl delete` keep the files up to date.
    """
    from devctl.client import Client
    from devctl.ssh import include

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    terminal = client.session.terminal
    changes = include.changes(client)
    if not changes:
        terminal.say("ssh already knows your DevServers.")
    elif write:
        include.apply(changes)
        terminal.say(f"Wrote {', '.join(str(change.file) for change in changes)}.")
    else:
        include.show(changes, terminal)
        terminal.say("Nothing was written. Use --write to make these changes.")
