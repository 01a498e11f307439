"""Where output goes: data to standard output, all else to standard error. Nothing of strangers is interpreted."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from devctl.objects import Object
from devctl.text import inert

Cell = str | Text
# Between columns.
_GAP = 3
# Columns, and their cells row by row.
Rows = tuple[list[str], list[list[Cell]]]


class Terminal:
    """Standard output and standard error."""

    @cached_property
    def out(self) -> Console:
        """For data. Not a terminal: no colours, and lines are as long as they are."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """For all that is no data."""
        return _console(stderr=True)

    def say(self, message: str) -> None:
        """A remark on standard error."""
        self.err.print(Text(inert(message)), soft_wrap=True)

    def warn(self, message: str) -> None:
        """A warning on standard error."""
        self.err.print(Text.assemble(("warning: ", "yellow"), inert(message)), soft_wrap=True)

    def data(self, text: str) -> None:
        """A line of data as it is, for what is known to be harmless or escaped."""
        self.out.file.write(f"{text}\n")
        self.out.file.flush()

    def machine(self, form: str, value: Any) -> None:
        """The value as `json` or `yaml`, in which all that is not ASCII is escaped."""
        if form == "json":
            # DEL is the one control character that JSON does not escape.
            self.data(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))
        else:
            import yaml

            self.data(yaml.safe_dump(value, sort_keys=False, allow_unicode=False).rstrip())

    def objects(self, form: str, found: Sequence[Object], rows: Callable[[], Rows], nothing: str) -> None:
        """A list of objects in one of the forms of `-o`. nothing: the remark for an empty table."""
        if form in ("json", "yaml"):
            self.machine(form, {"apiVersion": "v1", "kind": "List", "items": list(found)})
        elif form == "name":
            for obj in found:
                self.data(inert(obj["metadata"]["name"]))
        elif not found:
            self.say(nothing)
        else:
            self.table(*rows())

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """A table; a remark if it would be empty."""
        if self.out.is_terminal:
            self.out.print(table(columns, rows))
        else:
            self.data("\n".join(_plain_lines([columns, *rows])))


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # Whatever a pipe carries is not cut to a window that nobody sees.
        console.width = 10_000
    return console


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    """The table as kubectl would lay it out."""
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_edge=False)
    for index, column in enumerate(columns):
        made.add_column(Text(column), no_wrap=index < len(columns) - 1, overflow="ellipsis")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(inert(cell)) for cell in row))
    return made


def _plain_lines(rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """The same for a pipe, where nothing is cut or coloured: rich would take longer for it than all else together."""
    texts = [[cell.plain if isinstance(cell, Text) else inert(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) + _GAP for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True))
        yield "".join(cells).rstrip()


def complain(message: str) -> None:
    """An error on standard error."""
    console = _console(stderr=True)
    console.print(Text.assemble(("devctl: ", "bold red"), inert(message)), soft_wrap=True)
    sys.stderr.flush()
