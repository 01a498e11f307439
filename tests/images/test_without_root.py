"""A pod without root (securityProfile: restricted) on several images: they all become machines to log in to."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.kube import eventually
from tests.images.container import Container
from tests.patience import generous

pytestmark = pytest.mark.images

Make = Callable[[str], Container]
# The start script looks every 5 s.
DEADLINE_S = generous(5)


@pytest.fixture
def make(
    workdir: Path,
    layers: dict[str, list[Path]],
    rootless_bundle: Path,
    key: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Make]:
    """Makes containers of an image by its short name, with a home on a volume of the group 1000."""
    made: list[Container] = []

    def make(image: str) -> Container:
        directory = workdir / f"rootless-{image}-{time.monotonic_ns()}"
        container = Container(directory, layers[image], rootless_bundle, key, has_root=False)
        made.append(container)
        home = directory / "home"
        home.mkdir()
        os.chown(home, 0, 1000)
        home.chmod(0o2770)
        return container

    yield make
    for container in made:
        container.kill()


def test_the_tools_are_devs_and_nothing_is_setuid(rootless_bundle: Path) -> None:
    for path in [*rootless_bundle.glob("bin/*"), *rootless_bundle.glob("lib/*")]:
        assert path.stat().st_uid == 1000
        assert not path.stat().st_mode & stat.S_ISUID
    assert not list(rootless_bundle.glob("**/*.new"))


@pytest.mark.parametrize("image", ["debian", "busybox", "ubuntu", "bare"])
def test_any_image_becomes_a_machine_to_log_in_to(make: Make, image: str) -> None:
    container = make(image)
    container.start({"GREETING": "hello"})
    assert container.ssh("id -un; id -u; id -gn; pwd").split() == ["dev", "1000", "dev", "/home/dev"]
    assert container.ssh("grep -E 'CapBnd|NoNewPrivs' /proc/self/status").split()[-1] == "1"
    assert container.ssh("echo $GREETING; touch ~/a /tmp/b && ls ~/a") == "hello\n/home/dev/a"
    assert container.ssh("tty", ["-tt"]).startswith("/dev/pts/")
    assert "Welcome, dev!" in container.login()
    assert "there is no root here" in container.ssh("doas id 2>&1 || sudo id 2>&1 || true")


def test_the_etc_of_the_image_is_kept_as_far_as_it_goes(make: Make) -> None:
    container = make("ubuntu")
    container.start()
    assert container.ssh("id -u ubuntu; id -u root; id -u nobody").split() == ["1000", "0", "65534"]
    assert "user ubuntu has id 1000: now a second name of dev" in container.log.read_text()


def test_an_empty_home_is_filled_and_private_keys_stay_private(make: Make) -> None:
    container = make("debian")
    ssh = container.dir / "home/.ssh"
    container.start()
    assert (container.dir / "home/.bashrc").stat().st_uid == 1000
    container.kill()

    # As a volume is whose files were given to the group.
    ssh.mkdir(mode=0o2770)
    for name in ("id_ed25519", "id_ed25519.pub"):
        (ssh / name).write_text("key\n")
        (ssh / name).chmod(0o660)
        os.chown(ssh / name, 1000, 1000)
    os.chown(ssh, 1000, 1000)
    container.start()
    assert (ssh / "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert (ssh / "id_ed25519.pub").stat().st_mode & 0o777 == 0o660


def test_a_home_that_dev_cannot_write_to_is_told_of_and_keeps_nobody_out(make: Make) -> None:
    container = make("debian")
    (container.dir / "home").chmod(0o755)
    container.start()
    assert "cannot write to /home/dev: its volume must honour fsGroup" in container.log.read_text()
    assert container.ssh("whoami") == "dev"


def test_a_changed_key_and_a_changed_motd_are_taken_up_without_a_restart(make: Make) -> None:
    container = make("busybox")
    container.start()
    container.publish(keys="", motd="Another day!\n")
    container.publish(motd="Another day!\n")
    eventually(lambda: "Another day!" in container.login(), "the motd is fresh at login", DEADLINE_S)
