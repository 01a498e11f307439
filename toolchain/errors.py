"""Errors of the toolchain.

ToolchainError           the step ends here; the message says what to do
|- ToolMissing           a program was asked for that has not been installed yet
|- ChecksumMismatch      a download is not what its publisher's checksum names
`- SourceFailed          one way of getting a tool failed; the next one is tried
"""

from __future__ import annotations


class ToolchainError(Exception):
    """Base of all errors here. The message names the thing and the fix."""


class ToolMissing(ToolchainError):
    """A program of the toolchain is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not installed in its pinned version: run `make tools` (or `python -m toolchain install {name}`)"
        )


class ChecksumMismatch(ToolchainError):
    """A downloaded file differs from its published checksum. Never installed, and nothing else is tried."""


class SourceFailed(ToolchainError):
    """A download or a build failed."""
