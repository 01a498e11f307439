"""Tools come from PATH, else a download, else a build; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import toolchain
from toolchain import ToolchainError, ToolMissing, gobuild, install, official, versions
from toolchain.cache import installation, tool_dir
from toolchain.errors import ChecksumMismatch, SourceFailed
from toolchain.install import Source
from toolchain.tools import Tool, provider_of

KUBELET = provider_of("kubelet")

PULUMI = provider_of("pulumi")

PROVIDER = provider_of("pulumi-resource-kubernetes")

PINNED = f"Kubernetes {KUBELET.version}"


def write_program(path: Path, says: str, exit_code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


def filled_with(says: str) -> Callable[[Tool, Path], None]:
    """A download or build that makes programs which print `says`."""

    def fill(tool: Tool, directory: Path) -> None:
        for file in tool.files:
            write_program(directory / "bin" / file, says)

    return fill


FAKE_PULUMI = f"""\
#!/bin/sh -e
if [ "$1" = version ]; then echo {PULUMI.version}; exit; fi
plugin="$PULUMI_HOME/plugins/$3-$4-$5"
mkdir -p "$plugin"
cp "${{7:-/bin/true}}" "$plugin/pulumi-$3-$4"
"""


def fill_with_pulumi_and_plugin(tool: Tool, directory: Path) -> None:
    """A build of a Pulumi that can do no more than `plugin install`, or of a plugin."""
    for file in tool.files:
        write_program(directory / "bin" / file, "a plugin").write_text(FAKE_PULUMI)


def failing(error: Exception) -> Callable[[Tool, Path], None]:
    def fill(tool: Tool, directory: Path) -> None:
        write_program(directory / "bin" / tool.name, "half done")
        raise error

    return fill


class Machine:
    """A machine with an empty cache, nothing on PATH, no network, and a Go that builds what is asked for."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = root / "path"
        self.path.mkdir()
        self.cache = root / "cache"
        self._patch = monkeypatch
        monkeypatch.setenv("DEVSERVER_CACHE", str(self.cache))
        monkeypatch.setenv("PATH", f"{self.path}:/usr/bin:/bin")
        monkeypatch.setattr(gobuild, "check_go", lambda tools: None)
        self.online(False)
        self.builds(filled_with(PINNED))

    def online(self, yes: bool) -> None:
        self._patch.setattr(
            official, "reachable_hosts", lambda tools: {official.host(tool) for tool in tools if yes}
        )

    def downloads(self, fill: Callable[[Tool, Path], None]) -> None:
        self.online(True)
        self._patch.setattr(install, "DOWNLOAD", Source("download", "downloading", fill))

    def builds(self, fill: Callable[[Tool, Path], None]) -> None:
        self._patch.setattr(install, "BUILD", Source("build", "building", fill))

    def source(self, tool: Tool = KUBELET) -> str | None:
        found = installation(tool)
        return found.source if found else None

    def leftovers(self) -> list[Path]:
        return list(self.cache.glob("tools/*/.partial-*"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_path_is_preferred_to_a_download_and_a_build(machine: Machine) -> None:
    write_program(machine.path / "kubelet", PINNED)
    machine.downloads(filled_with(PINNED))
    install.install([KUBELET])
    assert machine.source() == "PATH"
    assert toolchain.binary("kubelet").resolve() == machine.path / "kubelet"


def test_a_download_is_preferred_to_a_build(machine: Machine) -> None:
    machine.downloads(filled_with(PINNED))
    install.install([KUBELET])
    assert machine.source() == "download"


def test_without_a_network_it_is_built_and_linked(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    install.install([KUBELET])
    assert machine.source() == "build"
    assert (toolchain.bin_dir() / "kubelet").resolve() == toolchain.binary("kubelet")
    assert "dl.k8s.io cannot be reached from here: building" in capsys.readouterr().out


def test_a_second_run_does_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    install.install([KUBELET])
    machine.builds(failing(AssertionError("built again")))
    capsys.readouterr()
    install.install([KUBELET])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "says",
    ["Kubernetes v1.34.3", "Kubernetes v1.34.40", "Kubernetes v1.34.4-rc.1", "Kubernetes v1.34.4+k3s1", ""],
)
def test_another_version_on_path_is_not_taken(machine: Machine, says: str) -> None:
    write_program(machine.path / "kubelet", says)
    install.install([KUBELET])
    assert machine.source() == "build"


def test_a_broken_program_on_path_is_not_taken(machine: Machine) -> None:
    write_program(machine.path / "kubelet", PINNED, exit_code=1)
    install.install([KUBELET])
    assert machine.source() == "build"


def test_pulumi_on_path_needs_its_language_host_beside_it(machine: Machine) -> None:
    real = machine.path.parent / "opt" / "pulumi"
    write_program(real, PULUMI.version)
    (machine.path / "pulumi").symlink_to(real)
    for file in PULUMI.files[1:]:
        write_program(machine.path / file, "beside the link, where Pulumi does not look")
    machine.builds(filled_with(PULUMI.version))
    install.install([PULUMI])
    assert machine.source(PULUMI) == "build"


def test_pulumi_on_path_with_its_language_host_is_taken_whole(machine: Machine) -> None:
    for file in PULUMI.files:
        write_program(machine.path / file, PULUMI.version)
    install.install([PULUMI])
    assert machine.source(PULUMI) == "PATH"
    assert toolchain.binary("pulumi-language-python").resolve() == machine.path / "pulumi-language-python"


def test_our_own_links_on_path_are_not_a_source(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_program(machine.cache / "tools/kubelet/v1.34.4-older/bin/kubelet", PINNED)
    (machine.path / "kubelet").symlink_to(old)
    install.install([KUBELET])
    assert machine.source() == "build"


def test_a_program_on_path_that_changes_is_missing_until_the_next_install(machine: Machine) -> None:
    write_program(machine.path / "kubelet", PINNED)
    install.install([KUBELET])
    write_program(machine.path / "kubelet", "Kubernetes v1.35.0")
    with pytest.raises(ToolMissing, match=r"kubelet is not installed .* `make tools`"):
        toolchain.binary("kubelet")
    install.install([KUBELET])
    assert machine.source() == "build"
    assert machine.leftovers() == []


def test_a_failed_download_is_said_and_then_built(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.downloads(failing(SourceFailed("connection reset")))
    install.install([KUBELET])
    assert machine.source() == "build"
    assert "kubelet: connection reset" in capsys.readouterr().out


def test_a_wrong_checksum_ends_the_installation(machine: Machine) -> None:
    machine.downloads(failing(ChecksumMismatch("not what was published")))
    with pytest.raises(ChecksumMismatch):
        install.install([KUBELET])
    assert machine.source() is None
    assert machine.leftovers() == []


def test_a_build_of_another_version_is_refused(machine: Machine) -> None:
    machine.builds(filled_with("Kubernetes v1.34.5"))
    with pytest.raises(ToolchainError, match=r"build says that it is 'Kubernetes v1\.34\.5', not v1\.34\.4"):
        install.install([KUBELET])
    assert machine.source() is None


@pytest.mark.parametrize(
    "error", [SourceFailed("compiler said no"), KeyboardInterrupt(), OSError(28, "disk full")]
)
def test_nothing_is_left_of_a_failed_or_interrupted_build(machine: Machine, error: Exception) -> None:
    machine.builds(failing(error))
    with pytest.raises((ToolchainError, KeyboardInterrupt, OSError)):
        install.install([KUBELET])
    assert machine.source() is None
    assert not tool_dir(KUBELET).exists()
    assert machine.leftovers() == []


def test_what_a_killed_run_left_is_removed(machine: Machine) -> None:
    leftover = machine.cache / "tools" / "kubelet" / ".partial-dead" / "new" / "bin"
    write_program(leftover / "kubelet", "half done")
    install.install([KUBELET])
    assert machine.source() == "build"
    assert machine.leftovers() == []


def test_tools_before_a_failing_one_stay_installed(machine: Machine) -> None:
    def fill(tool: Tool, directory: Path) -> None:
        (failing(SourceFailed("no")) if tool.name == "kubectl" else filled_with(PINNED))(tool, directory)

    machine.builds(fill)
    with pytest.raises(ToolchainError, match=r"kubectl v1\.34\.4 cannot be installed: no"):
        install.install([KUBELET, provider_of("kubectl")])
    assert machine.source() == "build"


def test_two_checkouts_of_different_pins_have_links_of_their_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    install.install([KUBELET])
    links = toolchain.bin_dir()
    monkeypatch.setattr("toolchain.cache.toolset_digest", lambda: "another")
    install.install([KUBELET])
    assert toolchain.bin_dir() != links
    assert os.readlink(toolchain.bin_dir() / "kubelet") == os.readlink(links / "kubelet")


@pytest.mark.parametrize("source", ["build", "download"])
def test_the_provider_is_installed_into_a_pulumi_home(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    machine.builds(fill_with_pulumi_and_plugin)
    monkeypatch.setattr(versions, "is_pinned", lambda tool, program: True)
    install.install([PULUMI])
    machine.online(source == "download")
    install.install([PROVIDER])
    assert machine.source(PROVIDER) == source
    plugin = toolchain.pulumi_home() / f"plugins/resource-kubernetes-v{PROVIDER.version}/{PROVIDER.name}"
    assert toolchain.binary(PROVIDER.name).resolve() == plugin
    assert {path.name for path in tool_dir(PROVIDER).iterdir()} == {"bin", "home", "record.json"}


def test_the_provider_brings_the_pulumi_that_installs_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.builds(fill_with_pulumi_and_plugin)
    monkeypatch.setattr(versions, "is_pinned", lambda tool, program: True)
    install.install([PROVIDER])
    assert machine.source(PULUMI) == "build"


def test_pulumi_is_downloaded_by_its_own_installer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def install_pulumi(root: str, version: object) -> None:
        assert f"v{version}" == PULUMI.version
        filled_with(PULUMI.version)(PULUMI, Path(root))

    monkeypatch.setattr("pulumi.automation.PulumiCommand.install", install_pulumi)
    machine.online(True)
    install.install([PULUMI])
    assert machine.source(PULUMI) == "download"


def test_a_source_that_lacks_a_program_is_refused(machine: Machine) -> None:
    machine.builds(lambda tool, directory: filled_with(PULUMI.version)(KUBELET, directory))
    with pytest.raises(ToolchainError, match="build has brought no pulumi, pulumi-language-python"):
        install.install([PULUMI])
