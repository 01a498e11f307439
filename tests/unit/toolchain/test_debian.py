"""What is missing of Debian's packages is installed by root on Debian or Ubuntu, and named elsewhere."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from toolchain import ToolchainError, debian, process


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DEVSERVER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(
        debian, "PACKAGES", (debian.Package("etcd-server", "etcd"), debian.Package("runc", "runc"))
    )


def put_on_path(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).touch(mode=0o755)


def test_a_package_is_missing_while_its_program_is(tmp_path: Path) -> None:
    assert debian.missing() == ["etcd-server", "runc"]
    put_on_path(tmp_path, "runc")
    assert debian.missing() == ["etcd-server"]


def test_a_package_may_be_known_by_a_file_of_any_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = debian.Package("postgresql", f"{tmp_path}/*/bin/postgres")
    monkeypatch.setattr(debian, "PACKAGES", (package,))
    assert debian.missing() == ["postgresql"]
    (tmp_path / "17/bin").mkdir(parents=True)
    assert debian.missing() == ["postgresql"]
    put_on_path(tmp_path / "17/bin", "postgres")
    assert debian.missing() == []


def test_nothing_is_run_when_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(tmp_path, "etcd", "runc")
    monkeypatch.setattr(process, "run", lambda *arguments, **options: pytest.fail("ran"))
    debian.install()


def test_without_root_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolchainError, match=r"takes root .*: apt-get install .* etcd-server runc$"):
        debian.install()


def test_installing_everything_goes_on_without_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    debian.install_if_root()
    assert "apt-get install --no-install-recommends etcd-server runc" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("release", "able"),
    [
        ({"ID": "debian"}, True),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, True),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, True),
        ({"ID": "fedora"}, False),
    ],
)
def test_only_debian_and_its_kin_have_these_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: dict[str, str], able: bool
) -> None:
    put_on_path(tmp_path, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    ran: list[str] = []

    def run(command: list[str], **options: object) -> str:
        ran.extend(command)
        put_on_path(tmp_path, "etcd", "runc")
        return ""

    monkeypatch.setattr(process, "run", run)
    if able:
        debian.install()
        assert ran[-2:] == ["etcd-server", "runc"]
        assert ran[:2] == ["unshare", "--mount"]
    else:
        with pytest.raises(ToolchainError, match="Debian or Ubuntu"):
            debian.install()
        assert ran == []
