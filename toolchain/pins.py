"""Reads the pinned versions out of the go.mod files, which are their only source."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

from .errors import ToolchainError

MODULES = Path(__file__).parent


def required_version(module: str, dependency: str) -> str:
    """The version of `dependency` (a Go module path) that toolchain/`module`/go.mod requires, such as "v1.34.4".

    Raises ToolchainError if go.mod does not require it.
    """
    line = re.compile(rf"^\s*(?:require\s+)?{re.escape(dependency)}\s+(v\S+)\s*(?://.*)?$", re.MULTILINE)
    if found := line.search(_go_mod(module)):
        return found[1]
    raise ToolchainError(f"toolchain/{module}/go.mod does not require {dependency}: add it with `go get`")


def go_version(module: str) -> tuple[int, ...]:
    """The oldest Go release that builds toolchain/`module`, such as (1, 26, 0)."""
    if found := re.search(r"^go\s+(\d+(?:\.\d+)*)", _go_mod(module), re.MULTILINE):
        return tuple(int(part) for part in found[1].split("."))
    raise ToolchainError(
        f"toolchain/{module}/go.mod has no `go` line: add the oldest Go release that builds it"
    )


@functools.cache
def module_digest(module: str) -> str:
    """A digest of everything in toolchain/`module` that decides what is built: pins, checksums, our own sources."""
    digest = hashlib.sha256()
    for file in sorted((MODULES / module).rglob("*")):
        if file.name in ("go.mod", "go.sum") or file.suffix == ".go":
            digest.update(f"{file.relative_to(MODULES)}\n".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _go_mod(module: str) -> str:
    return (MODULES / module / "go.mod").read_text(encoding="utf-8")
