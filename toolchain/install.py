"""Installs tools: from PATH, else from their publisher, else built; whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import gobuild, official, process, versions
from .cache import bin_dir, binary, cache_dir, installation, record, tool_dir
from .errors import SourceFailed, ToolchainError
from .locks import hold
from .progress import say, step
from .tools import TOOLS, Tool, provider_of


@dataclass(frozen=True)
class Source:
    """One way of getting a tool: `fill` puts its programs into the directory bin/ below the one given."""

    name: str
    doing: str
    fill: Callable[[Tool, Path], None]


DOWNLOAD = Source("download", "downloading", official.fetch)
BUILD = Source("build", "building from its pinned Go module", gobuild.build)


def install(tools: Iterable[Tool]) -> None:
    """Make `tools`, and the tools that they need, available in the cache and linked in bin_dir().

    Does nothing for those already there. Safe to interrupt, and to run twice at the same time. Raises
    ToolchainError if a tool cannot be had; those before it stay installed.
    """
    wanted = _with_needs(tools)
    missing = [tool for tool in wanted if installation(tool) is None]
    sources = _sources(missing)
    for tool in missing:
        with hold(tool_dir(tool).parent / ".lock", tool.name):
            if installation(tool) is None:
                _install_from(tool, sources[tool])
    for tool in wanted:
        _link(tool)


def _with_needs(tools: Iterable[Tool]) -> list[Tool]:
    """`tools` and what they need, in the table's order, which puts a tool after those that it needs."""
    chosen = set(tools)
    chosen |= {provider_of(name) for tool in chosen for name in tool.needs}
    return [tool for tool in TOOLS if tool in chosen]


def _sources(missing: Sequence[Tool]) -> dict[Tool, list[Source]]:
    """For each tool the sources to try, in order. Raises ToolchainError before anything long has started."""
    sources: dict[Tool, list[Source]] = {}
    for tool in missing:
        if found := _on_path(tool):
            sources[tool] = [Source("PATH", f"linking {found}", _linker(found))]
    others = [tool for tool in missing if tool not in sources]
    if not others:
        return sources
    reachable = official.reachable_hosts(others)
    if absent := sorted(official.hosts(others) - reachable):
        say(f"{', '.join(absent)} cannot be reached from here: building from the pinned Go modules instead")
    for tool in others:
        sources[tool] = [DOWNLOAD, BUILD] if official.host(tool) in reachable else [BUILD]
    if builds := [tool for tool in others if sources[tool] == [BUILD]]:
        gobuild.check_go(builds)
    return sources


def _on_path(tool: Tool) -> Path | None:
    """The program of `tool` on PATH, links resolved, if it is of the pinned version and complete."""
    name = shutil.which(tool.name)
    # A program of our own changes without its version.
    if name is None or tool.official is None:
        return None
    found = Path(name).resolve()
    # Our own links may be on PATH, and may lead to an older build of the same version.
    if found.is_relative_to(cache_dir().resolve()):
        return None
    try:
        complete = all((found.parent / file).exists() for file in tool.files)
        return found if complete and versions.is_pinned(tool, found) else None
    except SourceFailed:
        return None


def _linker(found: Path) -> Callable[[Tool, Path], None]:
    def fill(tool: Tool, directory: Path) -> None:
        for file in tool.files:
            (directory / "bin" / file).symlink_to(found.parent / file)

    return fill


def _install_from(tool: Tool, sources: Sequence[Source]) -> None:
    for source in sources:
        try:
            with step(f"{tool.name} {tool.version}: {source.doing}"), _replacing(tool_dir(tool)) as directory:
                _fill(tool, source, directory)
            return
        except SourceFailed as error:
            if source is sources[-1]:
                raise ToolchainError(f"{tool.name} {tool.version} cannot be installed: {error}") from error
            say(f"{tool.name}: {error}")
            gobuild.check_go([tool])


def _fill(tool: Tool, source: Source, directory: Path) -> None:
    program = directory / "bin" / tool.name
    program.parent.mkdir()
    source.fill(tool, directory)
    if absent := [file for file in tool.files if not (program.parent / file).exists()]:
        raise SourceFailed(f"its {source.name} has brought no {', '.join(absent)}")
    if not versions.is_pinned(tool, program):
        said = " ".join(versions.reported(tool, program).split())
        raise SourceFailed(f"its {source.name} says that it is {said!r}, not {tool.version_word}")
    if tool.plugin_kind:
        _put_into_pulumi_home(tool, directory)
    record(tool, directory, source.name)


def _put_into_pulumi_home(tool: Tool, directory: Path) -> None:
    """Move the plugin in `directory`/bin into a PULUMI_HOME beside it, and leave a link."""
    program, home = directory / "bin" / tool.name, directory / "home"
    command = ["plugin", "install", "resource", tool.plugin_kind, f"v{tool.version}", "--file", str(program)]
    environment = {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    process.run([binary("pulumi"), *command], env=environment)
    program.unlink()
    plugin = Path("home", "plugins", f"resource-{tool.plugin_kind}-v{tool.version}", tool.name)
    program.symlink_to(Path("..") / plugin)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A new directory that takes the place of `target` if the block succeeds and vanishes if it does not.

    To be used under the tool's lock, as it removes what an earlier run that was killed left behind.
    """
    for leftover in target.parent.glob(".partial-*"):
        shutil.rmtree(leftover)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        content = partial / "new"
        content.mkdir()
        yield content
        if target.exists():
            target.rename(partial / "old")
        content.rename(target)
    finally:
        # What cannot be removed now must not hide the error that brought us here; the next run removes it.
        shutil.rmtree(partial, ignore_errors=True)


def _link(tool: Tool) -> None:
    """Link the programs of `tool` in bin_dir(). Each link is replaced in one step."""
    links = bin_dir()
    links.mkdir(parents=True, exist_ok=True)
    for file in tool.files:
        target = os.path.relpath(tool_dir(tool) / "bin" / file, links)
        link = links / file
        if link.is_symlink() and os.readlink(link) == target:
            continue
        fresh = links / f".{file}.{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
