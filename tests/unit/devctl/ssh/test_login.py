"""What scp is given."""

import pytest

from devctl.ssh.login import remote_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("box:/tmp/x", "box"),
        ("box:", "box"),
        ("./a:b", None),
        ("/a:b", None),
        ("file", None),
        ("../a:b", None),
    ],
)
def test_what_is_there_and_what_is_here_is_told_apart_as_scp_does(text: str, name: str | None) -> None:
    assert remote_name(text) == name
