"""`doctor`."""

import typer

from devctl.commands import options
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
    """Check that everything devctl needs is in place. Looks at cluster, CRDs, operator, rights, ssh client and key."""
    from devctl.doctor import report
    from devctl.session import Session

    session = Session.open(kubeconfig, context, namespace, output)
    results = report.run(session)
    report.show(session, results)
    if any(result.level == "bad" for result in results):
        raise typer.Exit(ExitCode.FAILED)
