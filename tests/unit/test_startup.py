"""The files that the pod mounts: they pass the linter, and agree with the pod's template."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crds.home import HOME_PATH
from stacks import tools
from stacks.devserver import mounts

ROOT = Path(__file__).parents[2]
STARTUP = (ROOT / "stacks/files/startup.sh").read_text()
SSHD_CONFIG = (ROOT / "stacks/files/sshd_config").read_text()
SCRIPTS = (
    "stacks/files/startup.sh",
    "images/tools/build.sh",
    "images/tools/fetch_packages.sh",
    "images/tools/install.sh",
    "images/tools/sudo.sh",
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_pass_the_linter_as_posix_shell(script: str) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, "--shell=sh", ROOT / script], capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_is_evaluated(script: str) -> None:
    code = re.sub(r"(?m)^\s*#.*", "", (ROOT / script).read_text())
    assert not re.search(r"\beval\b|\bsource\b|`|(?m:^\s*\. )", code)


def test_the_paths_are_those_of_the_pod() -> None:
    assert f"\nTOOLS={tools.TOOLS_PATH}\n" in STARTUP
    assert f"\nCONFIG={mounts.CONFIG_PATH}\n" in STARTUP
    assert f"\nHOST_KEYS={mounts.HOST_KEYS_PATH}\n" in STARTUP
    assert f"\nHOME_DIR={HOME_PATH}\n" in STARTUP
    assert f"\nPort {tools.SSHD_PORT}\n" in SSHD_CONFIG
    assert f"cat {mounts.CONFIG_PATH}/authorized_keys\n" in SSHD_CONFIG


@pytest.mark.parametrize(
    "line",
    [
        "AllowUsers dev",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "AuthorizedKeysFile none",
        "AllowAgentForwarding yes",
        "AllowTcpForwarding yes",
        "PidFile none",
    ],
)
def test_sshd_is_told(line: str) -> None:
    assert line in SSHD_CONFIG.splitlines()


def test_the_files_that_the_pod_mounts_into_etc_are_those_that_the_script_makes() -> None:
    for file in mounts.ETC_FILES:
        assert f'"$ETC/{file}"' in STARTUP
