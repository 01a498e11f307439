"""Gets tools from their publishers, where these can be reached."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Iterable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError
from urllib.parse import urlsplit

from . import process
from .cache import binary
from .errors import ChecksumMismatch, SourceFailed
from .tools import Download, PulumiInstaller, PulumiPluginInstaller, Tool

PROBE_S = 3.0
TRANSFER_SILENCE_S = 30.0
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def host(tool: Tool) -> str | None:
    """The name of the host that offers `tool`; None if nobody publishes it."""
    return urlsplit(tool.official.url).netloc if tool.official else None


def hosts(tools: Iterable[Tool]) -> set[str]:
    """The names of all hosts that offer one of `tools`."""
    return {name for tool in tools if (name := host(tool))}


def reachable_hosts(tools: Iterable[Tool]) -> set[str]:
    """The hosts of `tools` that answer within PROBE_S. Each is asked once, all at the same time."""
    answered: set[str] = set()

    def probe(name: str) -> None:
        try:
            _open(f"https://{name}/", PROBE_S, method="HEAD").close()
        except HTTPError:
            pass  # An answer, whatever it says.
        except (OSError, HTTPException):
            return
        answered.add(name)

    # Daemon threads: looking up a name can take much longer than any timeout that a caller can set.
    probes = [threading.Thread(target=probe, args=(name,), daemon=True) for name in hosts(tools)]
    for thread in probes:
        thread.start()
    for thread in probes:
        thread.join(PROBE_S)
    return set(answered)


def fetch(tool: Tool, directory: Path) -> None:
    """Put the published programs of `tool` into `directory`/bin.

    Raises ChecksumMismatch if a file is not what its publisher names, SourceFailed on any other failure.
    """
    match tool.official:
        case Download() as download:
            _download(download, directory, tool.name)
        case PulumiInstaller():
            _install_pulumi(tool, directory)
        case PulumiPluginInstaller():
            _install_plugin(tool, directory)


def _download(download: Download, directory: Path, name: str) -> None:
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise SourceFailed(f"{name} is not published for {machine}")
    url = download.url.format(arch=ARCHITECTURES[machine])
    file = directory / "download"
    try:
        digest = _transfer(url, file)
        with _open(url + ".sha256", TRANSFER_SILENCE_S) as response:
            published = response.read(1024).decode("ascii", errors="replace").split()
    except (OSError, HTTPException) as error:
        raise SourceFailed(f"{url} cannot be downloaded: {error}") from error
    if published[:1] != [digest]:
        raise ChecksumMismatch(
            f"{url} has the SHA-256 {digest}, but {url}.sha256 says {' '.join(published) or 'nothing'}: "
            "not installed. Try again; if it stays so, something between here and the publisher changes files."
        )
    program = directory / "bin" / name
    if download.member:
        _extract(file, download.member, program)
        file.unlink()
    else:
        file.rename(program)
    program.chmod(0o755)


def _transfer(url: str, file: Path) -> str:
    """Save `url` as `file` and return its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with _open(url, TRANSFER_SILENCE_S) as response, file.open("wb") as out:
        while chunk := response.read(1 << 20):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _open(url: str, timeout_s: float, method: str = "GET") -> HTTPResponse:
    """Open an address of the table of tools; `timeout_s` bounds each silence, not the whole."""
    request = urllib.request.Request(url, method=method)  # noqa: S310  (never an address from outside)
    return cast(HTTPResponse, urllib.request.urlopen(request, timeout=timeout_s))  # noqa: S310


def _extract(archive: Path, member: str, program: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            content = tar.extractfile(member)
            if content is None:
                raise SourceFailed(f"{member} in the published archive is not a file")
            with program.open("wb") as out:
                shutil.copyfileobj(content, out)
    except (tarfile.TarError, KeyError) as error:
        raise SourceFailed(f"the published archive of {program.name} cannot be read: {error}") from error


def _install_pulumi(tool: Tool, directory: Path) -> None:
    # Takes a second to import, and only this function uses it.
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    try:
        PulumiCommand.install(str(directory), VersionInfo.parse(tool.version.removeprefix("v")))
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceFailed(f"Pulumi's installer failed: {error}") from error


def _install_plugin(tool: Tool, directory: Path) -> None:
    home = directory / "download"
    command = ["plugin", "install", "resource", tool.plugin_kind, f"v{tool.version}"]
    environment = {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    process.run([binary("pulumi"), *command], env=environment)
    plugin = home / "plugins" / f"resource-{tool.plugin_kind}-v{tool.version}" / tool.name
    plugin.rename(directory / "bin" / tool.name)
    shutil.rmtree(home)
