"""Where the tools lie, and what is installed there.

CACHE/tools/NAME/KEY/bin/PROGRAM      one directory for each tool and pinned version, moved into place whole
CACHE/tools/NAME/KEY/home/            for a Pulumi plugin: a PULUMI_HOME that holds it
CACHE/tools/NAME/KEY/record.json      where it came from, and the size and time of each program
CACHE/tools/NAME/.lock                held while the tool is installed
CACHE/tools/NAME/.partial-*           work in progress; under the lock, a leftover of a run that was killed
CACHE/bin/DIGEST/PROGRAM              links to all programs of one set of pinned versions, for PATH
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .errors import ToolMissing
from .tools import Tool, provider_of, toolset_digest


def cache_dir() -> Path:
    """The directory outside the checkout that keeps the tools.

    $DEVSERVER_CACHE, else $XDG_CACHE_HOME/devserver-operator, else ~/.cache/devserver-operator.
    """
    if own := os.environ.get("DEVSERVER_CACHE"):
        return Path(own).absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "devserver-operator"


def bin_dir() -> Path:
    """A directory for PATH with one link for each program of this checkout's pinned versions."""
    return cache_dir() / "bin" / toolset_digest()


def binary(name: str) -> Path:
    """The path of the installed program `name`, such as "pulumi".

    Raises ToolMissing if it is not installed in the pinned version, ToolchainError if there is no such tool.
    """
    tool = provider_of(name)
    if installation(tool) is None:
        raise ToolMissing(name)
    return tool_dir(tool) / "bin" / name


def pulumi_home() -> Path:
    """A PULUMI_HOME that holds the Kubernetes provider in the pinned version. Raises ToolMissing."""
    binary("pulumi-resource-kubernetes")
    return tool_dir(provider_of("pulumi-resource-kubernetes")) / "home"


def tool_dir(tool: Tool) -> Path:
    """The directory of `tool` in its pinned version, whether or not it is there yet."""
    return cache_dir() / "tools" / tool.name / tool.key


@dataclass(frozen=True)
class Installation:
    """What record.json says about an installed tool."""

    source: str
    """"PATH", "download" or "build"."""
    stamps: dict[str, list[int]]
    """For each program its size in bytes and its modification time in nanoseconds."""


def installation(tool: Tool) -> Installation | None:
    """The installed `tool`; None if it is missing, or if a program on PATH has changed since it was linked."""
    directory = tool_dir(tool)
    try:
        recorded = Installation(**json.loads((directory / "record.json").read_text(encoding="utf-8")))
        intact = recorded.stamps == _stamps(tool, directory)
    except FileNotFoundError:
        return None
    return recorded if intact else None


def record(tool: Tool, directory: Path, source: str) -> None:
    """Write down that the programs in `directory`/bin are complete and came from `source`."""
    content = {"source": source, "stamps": _stamps(tool, directory)}
    (directory / "record.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _stamps(tool: Tool, directory: Path) -> dict[str, list[int]]:
    files = {name: (directory / "bin" / name).stat() for name in tool.files}
    return {name: [file.st_size, file.st_mtime_ns] for name, file in files.items()}
