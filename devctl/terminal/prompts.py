"""Questions to the user."""

import sys

from devctl.errors import Misuse
from devctl.text import inert


def confirm(question: str) -> None:
    """Ask, and go on only with a yes. Raises Misuse where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise Misuse("This deletes something, and there is no terminal to confirm it on. Use --yes.")
    sys.stderr.write(f"{inert(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Misuse("Nothing was deleted.")
