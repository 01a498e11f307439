"""Checks of the user's machine: the ssh client and the key."""

import re
import shutil
import subprocess
from collections.abc import Iterator

from devctl.doctor.results import Result, checked
from devctl.manifests.keys import default
from devctl.session import Session

# KnownHosts files with paths in quotes and Include in the user's configuration.
_MIN_SSH = (7, 3)


def run(session: Session) -> Iterator[Result]:
    """All of them."""
    yield checked("ssh client", _ssh)
    yield checked(
        "your key",
        lambda: Result("good", "your key", f"devctl uses your {default(session.config.key).split()[0]} key."),
    )


def _ssh() -> Result:
    about = "ssh client"
    path = shutil.which("ssh")
    if path is None:
        return Result("bad", about, "There is no ssh on PATH. Install your system's OpenSSH client.")
    done = subprocess.run([path, "-V"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    said = (done.stderr or done.stdout).strip()
    match = re.match(r"OpenSSH_(\d+)\.(\d+)", said)
    if match is None:
        return Result("unsure", about, f"The ssh on PATH is not OpenSSH: {said}")
    if (int(match[1]), int(match[2])) < _MIN_SSH:
        return Result("bad", about, f"{said} is too old. devctl needs {_MIN_SSH[0]}.{_MIN_SSH[1]} or newer.")
    missing = [name for name in ("scp", "sftp") if shutil.which(name) is None]
    return (
        Result("unsure", about, f"{said}, but without {' and '.join(missing)}")
        if missing
        else Result("good", about, said)
    )
