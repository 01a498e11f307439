"""`doctor`."""

import typer

from devctl import options
from devctl.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    output: options.Output = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Check what devctl needs: the cluster, its CRDs, the operator, your rights, your ssh client."""
    from devctl import checks
    from devctl.session import Session

    session = Session.open(kubeconfig, context, namespace, output)
    results = checks.run(session)
    checks.show(session, results)
    if any(result.level == "bad" for result in results):
        raise typer.Exit(ExitCode.FAILED)
