"""All checks, and their table: one check a line, each with what to do if it fails."""

from rich.text import Text

from devctl.doctor import cluster, machine
from devctl.doctor.results import Result
from devctl.session import Session
from devctl.terminal.output import Cell
from devctl.text import inert

_STYLES = {"good": "green", "unsure": "yellow", "bad": "red"}


def run(session: Session) -> list[Result]:
    """All checks; those that need a cluster only if it answers."""
    return [*machine.run(session), *cluster.run(session)]


def show(session: Session, results: list[Result]) -> None:
    """Print them."""
    if session.output in ("json", "yaml"):
        session.terminal.machine(session.output, [vars(result) for result in results])
        return
    rows: list[list[Cell]] = [
        [Text(result.level, style=_STYLES[result.level]), result.about, inert(result.said)]
        for result in results
    ]
    session.terminal.table(["CHECK", "OF", "FOUND"], rows)
