"""Names of DevServers."""

import pytest

from crds import is_valid_name


@pytest.mark.parametrize("name", ["a", "box", "box-2", "ssh", "ssh-box", "home-2", "boxssh", "a" * 52])
def test_a_name_that_a_devserver_may_have(name: str) -> None:
    assert is_valid_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "a" * 53, "Box", "1box", "-box", "box-", "box.one", "box\n", "böx", "../box", "$(id)"],
)
def test_a_name_that_no_devserver_may_have(name: str) -> None:
    assert not is_valid_name(name)


@pytest.mark.parametrize("name", ["box-ssh", "box-sshd", "box-hostkeys", "box-home", "a-ssh-ssh"])
def test_a_name_that_a_child_may_have_is_no_devservers(name: str) -> None:
    assert not is_valid_name(name)
