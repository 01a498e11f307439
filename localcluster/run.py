"""Running the host's programs."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from localcluster.errors import CommandFailed, MissingProgram

# The administrators' programs (ip, iptables, runc) are not on every root shell's PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_NEEDED = ("conntrack", "containerd", "etcd", "ip", "iptables", "nsenter", "runc", "socat", "unshare")
_CNI_BRIDGE = Path("/usr/lib/cni/bridge")


def program(name: str) -> Path:
    """The path of a program of the host's packages; MissingProgram if it is not installed."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise MissingProgram(f"{name} is not installed; run: python -m toolchain debian")
    return Path(found)


def require_programs() -> None:
    """Raise MissingProgram unless all that a cluster takes from the host's packages is installed."""
    for name in _NEEDED:
        program(name)
    if not _CNI_BRIDGE.exists():
        raise MissingProgram(f"{_CNI_BRIDGE} is not installed; run: python -m toolchain debian")


def run(name: str, *args: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run a program of the host's packages and return its standard output; CommandFailed if it fails."""
    return run_path(program(name), *args, env=env)


def run_path(path: Path, *args: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Like `run`, for a program given by its path."""
    command = [str(path), *map(str, args)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, **(env or {})}
    )
    if done.returncode:
        raise CommandFailed(f"`{' '.join(command)}` failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout
