"""Command line of the toolchain: `python -m toolchain install`, `list`, `debian`."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from . import debian
from .cache import bin_dir, installation, tool_dir
from .errors import ToolchainError
from .install import install
from .progress import say
from .tools import TOOLS, provider_of


def main() -> int:
    """Run the command line and return its exit code: 1 after a failure, 130 after an interruption."""
    arguments = _parser().parse_args()
    # Terminated is interrupted: children are stopped and half-done work is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        match arguments.command:
            case "install":
                _install(arguments.tool)
            case "list":
                _list()
            case "debian":
                debian.install()
    except (ToolchainError, OSError) as error:
        print(f"toolchain: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("toolchain: interrupted; what was finished stays, run it again for the rest", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=sys.modules["toolchain"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    installer = commands.add_parser(
        "install", help="install all tools and Debian packages, or the tools named"
    )
    installer.add_argument("tool", nargs="*", help="; ".join(tool.name for tool in TOOLS))
    commands.add_parser("list", help="show each tool's version, where it came from, and where it lies")
    commands.add_parser("debian", help="install the Debian packages only (as root)")
    return parser


def _install(names: list[str]) -> None:
    started = time.monotonic()
    tools = [provider_of(name) for name in names] or list(TOOLS)
    if not names:
        debian.install_if_root()
    install(tools)
    say(f"{len(tools)} tools ready in {bin_dir()} ({time.monotonic() - started:.1f} s)")


def _list() -> None:
    for tool in TOOLS:
        found = installation(tool)
        source, path = (found.source, tool_dir(tool) / "bin" / tool.name) if found else ("missing", "-")
        print(f"{tool.name:<28}{tool.version:<12}{source:<10}{path}")


if __name__ == "__main__":
    sys.exit(main())
