"""The manifests in tests/cases/, which the models and the API server must judge alike."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_CASES = Path(__file__).parent / "cases"
_MESSAGE = "# message: "


@dataclass(frozen=True)
class Case:
    """One file. With two documents the first is there already and the second is its update.

    message: part of what the API server answers; empty for valid cases.
    """

    name: str
    message: str
    documents: tuple[dict[str, Any], ...]

    @property
    def is_update(self) -> bool:
        return len(self.documents) == 2

    def __str__(self) -> str:
        return self.name


@cache
def cases(folder: str) -> tuple[Case, ...]:
    """The cases of tests/cases/FOLDER, by name."""
    return tuple(_read(path) for path in sorted((_CASES / folder).glob("*.yaml")))


def _read(path: Path) -> Case:
    text = path.read_text()
    first_line = text.partition("\n")[0]
    message = first_line.removeprefix(_MESSAGE) if first_line.startswith(_MESSAGE) else ""
    # The parser in C reads a thousand files within a second.
    return Case(path.stem, message, tuple(yaml.load_all(text, yaml.CSafeLoader)))
