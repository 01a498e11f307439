"""`keys`: who can log in to a DevServer."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from devctl.commands import options

if TYPE_CHECKING:
    from devctl.client import DevServer

app = typer.Typer(help="Manage the public keys that can log in to a DevServer.", no_args_is_help=True)


@app.command("list")
def list_(
    name: options.Name,
    output: options.Output = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """List the keys."""
    from devctl.client import Client, DevServer
    from devctl.manifests import keys
    from devctl.session import Session

    client = Client(Session.open(kubeconfig, context, namespace, output))
    lines = keys.of(DevServer.get(name, client=client).spec)
    form, terminal = client.session.output, client.session.terminal
    if form in ("json", "yaml"):
        terminal.machine(form, lines)
    elif form == "name":
        for line in lines:
            terminal.data(keys.fingerprint(line))
    else:
        rows = [[line.split()[0], keys.fingerprint(line), keys.comment(line) or "-"] for line in lines]
        terminal.table(["TYPE", "FINGERPRINT", "COMMENT"], rows)


@app.command()
def add(
    name: options.Name,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files with public keys.")],
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Add keys. They take effect within a minute, without a restart."""
    from devctl.client import Client, DevServer
    from devctl.manifests import keys

    added = [keys.read(file) for file in files]
    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    server = DevServer.get(name, client=client)

    def edit(spec: Any) -> dict[str, Any]:
        return keys.patch(keys.merged(keys.of(spec), added))

    server.change(edit)
    client.session.terminal.say(_accepts(server))


@app.command()
def remove(
    name: options.Name,
    which: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="Fingerprint, comment, the key itself, or its file.")
    ],
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Remove keys. This takes effect within a minute. Open sessions stay open."""
    from devctl.client import Client, DevServer
    from devctl.manifests import keys

    client = Client.open(kubeconfig=kubeconfig, context=context, namespace=namespace)
    server = DevServer.get(name, client=client)
    server.change(lambda spec: keys.patch(keys.without(keys.of(spec), which)))
    client.session.terminal.say(_accepts(server))


def _accepts(server: "DevServer") -> str:
    from devctl.manifests import keys
    from devctl.text import counted

    number = counted(len(keys.of(server.spec)), "key")
    return f"{server.name} now accepts {number} (takes effect within a minute)."
