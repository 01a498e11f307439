"""The manifests in tests/cases/, which the models and the API server must judge alike.

valid, invalid: what both read, and take or refuse. unreadable: what is refused already where it is read, or read as
no manifest.
"""

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
    text: str
    documents: tuple[dict[str, Any], ...]

    @property
    def is_update(self) -> bool:
        return len(self.documents) == 2

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Text:
    """One file of tests/cases/unreadable: what no reader may take for a manifest.

    message: part of what the API server answers.
    """

    name: str
    message: str
    text: str

    def __str__(self) -> str:
        return self.name


def unreadable() -> tuple[Text, ...]:
    """The files of tests/cases/unreadable, by name."""
    return tuple(_text(path) for path in sorted((_CASES / "unreadable").glob("*.yaml")))


@cache
def cases(folder: str) -> tuple[Case, ...]:
    """The cases of tests/cases/FOLDER, by name."""
    return tuple(_read(path) for path in sorted((_CASES / folder).glob("*.yaml")))


def _read(path: Path) -> Case:
    file = _text(path)
    # The parser in C reads a thousand files within a second.
    return Case(file.name, file.message, file.text, tuple(yaml.load_all(file.text, yaml.CSafeLoader)))


def _text(path: Path) -> Text:
    text = path.read_text()
    first_line = text.partition("\n")[0]
    return Text(path.stem, first_line.removeprefix(_MESSAGE) if first_line.startswith(_MESSAGE) else "", text)
