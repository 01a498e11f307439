"""Builds tools from the pinned Go modules."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from . import process
from .errors import SourceFailed, ToolchainError
from .pins import MODULES, go_version
from .tools import GoProgram, ModuleFile, Tool

# The user's GOFLAGS, GOTOOLCHAIN and CGO_ENABLED stay in force. No version-control stamp: the same pins
# give the same binary in every checkout.
BUILD_FLAGS = ("-mod=readonly", "-buildvcs=false", "-trimpath")


def check_go(tools: Iterable[Tool]) -> None:
    """Raise ToolchainError, saying what to install, unless there is a Go that can build `tools`."""
    tools = list(tools)
    module = max((program.module for tool in tools for program in tool.programs), key=go_version)
    needed = ".".join(str(part) for part in go_version(module)).removesuffix(".0")
    advice = (
        f"Install Go {needed} or newer (https://go.dev/dl/) and put it on PATH, or put these tools there: "
        + ", ".join(f"{tool.name} {tool.version}" for tool in tools)
    )
    if shutil.which("go") is None:
        raise ToolchainError(f"there is no `go` on PATH to build from the pinned modules. {advice}")
    # Asked inside the module, since with GOTOOLCHAIN=auto Go fetches the release that go.mod names.
    answer = process.run(["go", "env", "GOVERSION"], cwd=MODULES / module).strip()
    found = re.fullmatch(r"go(\d+)\.(\d+)(?:\.(\d+))?.*", answer)
    if not found or tuple(int(part or 0) for part in found.groups()) < go_version(module):
        raise ToolchainError(
            f"{answer or 'the `go` on PATH'} is too old for toolchain/{module}/go.mod. {advice}"
        )


def build(tool: Tool, directory: Path) -> None:
    """Build the programs of `tool` into `directory`/bin. Raises SourceFailed with the compiler's words."""
    for program in tool.programs:
        _compile(program, directory)
        for script in program.scripts:
            _copy_from_module(program.module, script, directory / "bin")


def _compile(program: GoProgram, directory: Path) -> None:
    scratch = directory / "go-build"
    scratch.mkdir(exist_ok=True)
    linker_flags = "-s -w" + (f" -X {program.stamp}" if program.stamp else "")
    # setpriv: a build must not go on for minutes when this process is killed.
    command = ["setpriv", "--pdeathsig", "KILL", "go", "build", *BUILD_FLAGS]
    command += ["-ldflags", linker_flags, "-o", str(directory / "bin" / program.name), program.package]
    process.run(command, cwd=MODULES / program.module, env={"GOWORK": "off", "GOTMPDIR": str(scratch)})
    shutil.rmtree(scratch)


def _copy_from_module(module: str, file: ModuleFile, bin_directory: Path) -> None:
    command = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", file.module_path]
    source = Path(process.run(command, cwd=MODULES / module, env={"GOWORK": "off"}).strip())
    target = bin_directory / file.name
    try:
        shutil.copyfile(source / file.path, target)
    except FileNotFoundError as error:
        raise SourceFailed(f"{file.module_path} as pinned has no {file.path}") from error
    target.chmod(0o755)
