"""The command line. Command modules import what is slow only where they need it, so that `--help` is quick."""

import gc
import os
import shlex
import sys
from typing import Annotated

import typer

from devctl.commands import access, config, create, describe, flavors, keys, servers, ssh, users, volumes
from devctl.commands import doctor as health
from devctl.errors import DevctlError, ExitCode

DEBUG_VARIABLE = "DEVCTL_DEBUG"

app = typer.Typer(
    name="devctl",
    help="Create, reach, extend and delete development machines on Kubernetes.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 no cluster, 6 timed out, "
    "7 refused by the cluster, 8 cannot start. exec, ssh and cp return the exit code of the program that they run.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (create, servers, describe, access, ssh, flavors, health):
    module.register(app)
app.add_typer(keys.app, name="keys")
app.add_typer(volumes.app, name="volumes")
app.add_typer(users.app, name="user")
app.add_typer(config.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("devserver-operator"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Development machines on Kubernetes."""


def main() -> None:
    """The entry point of `devctl` and `kubectl-devserver`. No error of a user's ends in a traceback."""
    # What is imported stays anyway: looking through it for garbage again and again costs a tenth of a list's time.
    gc.set_threshold(100_000)
    try:
        app(prog_name=_program())
    except DevctlError as error:
        _complain(error.message)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FAILED)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        _complain(
            f"Unexpected error: {type(error).__name__}: {error} (set {DEBUG_VARIABLE}=1 to see the traceback)"
        )
        sys.exit(ExitCode.FAILED)


def complete_for_kubectl() -> None:
    """The entry point of `kubectl_complete-devserver`, which kubectl's own completion calls with the words so far."""
    words = sys.argv[1:] or [""]
    os.environ |= {
        "_DEVCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": shlex.join(["devctl", *words]),
        "COMP_CWORD": str(len(words)),
    }
    sys.argv = ["devctl"]
    try:
        main()
    finally:
        # Cobra's directive: these are all, no names of files.
        print(":4")


def _program() -> str:
    return "kubectl devserver" if sys.argv[0].endswith("kubectl-devserver") else "devctl"


def _complain(message: str) -> None:
    from devctl.terminal.output import complain

    complain(message)
