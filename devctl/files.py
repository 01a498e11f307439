"""Private files of the user, written at once as a whole."""

import os
import tempfile
from pathlib import Path


def replace(file: Path, text: str, mode: int = 0o600) -> None:
    """Write a private file at once as a whole; missing directories are made, for the user alone."""
    parent = file.parent
    missing = [path for path in (parent, *parent.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}.", dir=parent)
    try:
        with os.fdopen(handle, "w") as opened:
            opened.write(text)
        os.chmod(draft, mode)
        os.replace(draft, file)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
