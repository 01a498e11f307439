"""Options that many commands have, and the completion of names. Imported by every command: nothing slow here."""

from typing import Annotated

import typer

from devctl.commands.completion import devservers, flavors, homes, users

OUTPUTS = ("table", "wide", "json", "yaml", "name")


def _output(value: str | None) -> str | None:
    if value is not None and value not in OUTPUTS:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(OUTPUTS)}")
    return value


Context = Annotated[
    str | None, typer.Option("--context", help="Kubeconfig context to use.", envvar="DEVCTL_CONTEXT")
]
Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", help="Path of the kubeconfig file.", metavar="FILE")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace. Default: the namespace of the context.",
        envvar="DEVCTL_NAMESPACE",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Output format: table, wide, json, yaml or name.",
        callback=_output,
        autocompletion=lambda: list(OUTPUTS),
    ),
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="List all namespaces, if you have the right to.")
]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the DevServer.", autocompletion=devservers)
]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Names of DevServers.", autocompletion=devservers)
]
Flavor = Annotated[
    str | None, typer.Option("--flavor", help="Flavor of the DevServer.", autocompletion=flavors)
]
Homes = Annotated[
    list[str],
    typer.Argument(metavar="CLAIM...", help="Names of PersistentVolumeClaims.", autocompletion=homes),
]
User = Annotated[str, typer.Argument(metavar="USER", help="Name of the DevServerUser.", autocompletion=users)]
Timeout = Annotated[
    str,
    typer.Option("--timeout", help="Maximum time to wait, for example 90s or 5m.", metavar="DURATION"),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Start = Annotated[
    bool, typer.Option("--start", help="Start the DevServer if it is stopped, and wait until it is ready.")
]
