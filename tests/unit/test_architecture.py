"""ARCHITECTURE.md draws the imports between the packages of the reconciler as they are."""

import re
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]


def drawn() -> Iterator[tuple[str, str]]:
    """The arrows of the picture of packages."""
    _, chain, packages, *_ = (ROOT / "ARCHITECTURE.md").read_text().split("```mermaid\n")
    assert "API server" in chain
    for line in packages.split("```")[0].splitlines():
        if arrow := re.fullmatch(r"\s+(\w+) --> ([\w &]+)", line):
            yield from ((arrow[1], target) for target in arrow[2].split(" & "))


def imported() -> Iterator[tuple[str, str]]:
    """Which part of the reconciler imports which."""
    graph = grimp.build_graph("reconciler")
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            if (part := part_of(module)) != (target := part_of(other)) and target:
                yield part, target


def part_of(module: str) -> str:
    """The package or module right below `reconciler`."""
    return module.split(".")[1] if "." in module else ""


def test_the_picture_of_packages_shows_who_imports_whom() -> None:
    arrows = list(drawn())
    assert set(arrows) == set(imported())
    assert len(set(arrows)) == len(arrows)
