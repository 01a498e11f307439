"""Whatever the image holds, its user logs in as dev and becomes root: eight root filesystems in the real node."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import FLAVOR
from tests.e2e.kube import Kube, SshKey, devserver, ssh
from tests.e2e.root_filesystems import ROOT_FILESYSTEMS, WITH_REPOSITORY, RootFilesystem, load
from tests.patience import HUNG_S, PATIENCE_S, PATIENTLY
from tests.reconciler_process import ReconcilerProcess

pytestmark = pytest.mark.cluster

# What else must be so, by name: a command and what it prints.
_BUNDLED_SUDO = ("command -v sudo", "/opt/devserver/bin/sudo")
ALSO: dict[str, tuple[tuple[str, str], ...]] = {
    "debian": (_BUNDLED_SUDO, ("echo $SHELL", "/usr/bin/bash")),
    "user-1000": (("id -un ubuntu; stat -c %U /home/ubuntu/of-old", "dev\ndev"),),
    "group-1000": (("id -G www-data; stat -c %G ~", "33 1000\ndev"),),
    # Only the top of a home changes hands.
    "another-dev": (("cat ~/of-old; stat -c %u:%g ~/of-old", "kept\n1234:1234"),),
    "sudo": (
        ("command -v sudo; sudo -V | head -n 1 | cut -d' ' -f1-2", "/usr/bin/sudo\nSudo version"),
        ("sudo -nu www-data id -un; sudo -ni pwd", "www-data\n/root"),
    ),
    "busybox": (_BUNDLED_SUDO, ("sudo -n busybox id -u", "0")),
    "no-accounts": (("wc -l </etc/passwd; doas -n id -un", "3\nroot"),),
    "red-hat": (
        ("cut -d' ' -f1-2 /etc/redhat-release; ls /bin/apt /usr/bin/dpkg 2>/dev/null | wc -l", "Red Hat\n0"),
        (
            "ls -d /usr/lib64/libc.so.6 /lib64/ld-*; readlink /bin/sh",
            "/lib64/ld-linux-x86-64.so.2\n/usr/lib64/libc.so.6\nbash",
        ),
        ("doas useradd -G wheel eve; id -Gn eve; doas -u eve touch /home/eve/x", "eve wheel"),
        ("rpm -qa | wc -l; rpm --eval %_dbpath; doas stat -c %a /etc/shadow", "0\n/var/lib/rpm\n0"),
        ("bash -lc 'command -v doas sudo'", "/opt/devserver/bin/doas\n/opt/devserver/bin/sudo"),
    ),
}


@dataclass(frozen=True)
class Machines:
    """The namespace in which all the DevServers are, and the key to them."""

    namespace: Kube
    key: SshKey

    def run(self, name: str, command: str, timeout_s: float = PATIENCE_S) -> str:
        """Log in and run a command."""
        self.namespace.wait_ready("dvs", name)
        return ssh(self.namespace, name, self.key, command, timeout_s).strip()


@pytest.fixture(scope="module")
def machines(
    kube: Kube, reconciler: ReconcilerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    """A DevServer of each root filesystem, all made at once."""
    directory = tmp_path_factory.mktemp("root-filesystems")
    everything = (*ROOT_FILESYSTEMS, WITH_REPOSITORY)
    load(everything, directory)
    key = SshKey.make(directory)
    name = f"t-{time.time_ns():x}"
    kube("create", "namespace", name)
    namespace = Kube(kube.kubeconfig, name)
    items = [devserver(item.name, key, running=True, image=item.image) for item in everything]
    namespace.apply({"apiVersion": "v1", "kind": "List", "items": [FLAVOR, *items]})
    yield Machines(namespace, key)
    namespace("delete", "devservers", "--all", PATIENTLY)
    namespace("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("item", ROOT_FILESYSTEMS, ids=lambda item: item.name)
def test_dev_logs_in_has_a_home_and_becomes_root(machines: Machines, item: RootFilesystem) -> None:
    found = machines.run(item.name, "id -un; id -u; id -gn; id -g; echo $HOME; doas -n id -u; sudo -n id -u")
    assert found.splitlines() == ["dev", "1000", "dev", "1000", "/home/dev", "0", "0"]
    assert machines.run(item.name, "echo text >~/mine; stat -c %u:%g ~ ~/mine") == "1000:1000\n1000:1000"
    for command, shown in ALSO[item.name]:
        assert machines.run(item.name, command) == shown, command
    log = machines.namespace("logs", f"{item.name}-0", "-c", "devserver")
    for said in item.says:
        assert said in log
    assert ("id 1000" in log or "had id" in log) == bool(item.says), "it says what it changed, and no more"


def test_a_real_package_is_installed_by_apt(machines: Machines) -> None:
    """With scripts to run, a dependency, and a program that is setgid to another group."""
    install = "doas apt-get -q update && doas env DEBIAN_FRONTEND=noninteractive apt-get -qy install screen"
    machines.run(WITH_REPOSITORY.name, install, timeout_s=HUNG_S)
    shown = machines.run(
        WITH_REPOSITORY.name,
        "dpkg-query -W -f '${db:Status-Abbrev}${Package}\\n' screen libutempter0 | cat;"
        "stat -c '%U:%G %a' /usr/lib/*/utempter/utempter; screen --version | cut -d' ' -f1-2;"
        # It returns before the session is there.
        "screen -dm sleep 600; until screen -ls | grep -q Detached; do sleep 0.2; done; screen -ls | grep -c Detached",
    )
    assert shown.splitlines() == [
        "ii libutempter0",
        "ii screen",
        "root:utmp 2755",
        "Screen version",
        "1",
    ]
