"""What the build of the image would fetch from the internet, taken from where this machine gets it."""

import hashlib
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import toolchain
from images import ImageError
from toolchain.errors import SourceFailed
from toolchain.process import run
from toolchain.progress import step

ROOT = Path(__file__).parent.parent
LOCK = "requirements-runtime.lock"
# Of the base image: its Python and its C library. Its apt fetches from where the image itself came from.
_PYTHON, _GLIBC_MINOR = "3.11", 36
_PIP = "[global]\nno-index = true\nfind-links = /wheels\n"
_TOOLS = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-language-python-exec",
    "pulumi-resource-kubernetes",
    "pulumi-engine-worker",
    "pulumi-provider-proxy",
)


def wheels(directory: Path) -> Path:
    """The locked Python packages as wheels for the image's Python, in a directory below `directory`.

    They are fetched by pip as it is set up on this machine, and checked by the lock file's hashes. Raises ImageError.
    """
    lock = ROOT / LOCK
    complete = directory / f"wheels-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if complete.exists():
        return complete
    machine = platform.machine()
    accepted = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC_MINOR, 16, -1)]
    platforms = [f"--platform={name}" for name in (*accepted, f"manylinux2014_{machine}")]
    with (
        tempfile.TemporaryDirectory(prefix=".work-", dir=directory) as work,
        step("Python packages: downloading"),
    ):
        fetched = Path(work, "wheels")
        options = ["--require-hashes", "--only-binary=:all:", f"--python-version={_PYTHON}", *platforms]
        target = [f"--dest={fetched}", f"--requirement={lock}"]
        try:
            run([sys.executable, "-m", "pip", "download", *options, *target])
        except SourceFailed as error:
            raise ImageError(f"the Python packages of {LOCK} cannot be had: {error}") from error
        for outdated in directory.glob("wheels-*"):
            shutil.rmtree(outdated)
        fetched.rename(complete)
    return complete


def mounts(work: Path, wheels_directory: Path) -> dict[Path, str]:
    """What the build sees of this machine: paths here, and where the Dockerfile's commands find them.

    work: a directory for files that are written for this purpose. Raises ToolMissing.
    """
    pip_settings = work / "pip.conf"
    pip_settings.write_text(_PIP)
    tools = toolchain.cache_dir() / "tools"
    programs = [toolchain.binary(name).resolve() for name in _TOOLS]
    return {
        pip_settings: "/etc/pip.conf",
        wheels_directory: "/wheels",
        tools: "/cache/tools",
        # The cache holds links to programs that were found on PATH.
        **{path: str(path) for path in programs if not path.is_relative_to(tools.resolve())},
    }
