"""One process at a time."""

import socket

import pytest

from localcluster.locks import only_one


def test_a_lock_is_held_by_one_and_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        only_one("unit test"),
        socket.socket(socket.AF_UNIX) as other,
        pytest.raises(OSError, match="in use"),
    ):
        other.bind("\0localcluster/unit test")
    with only_one("unit test"):
        assert capsys.readouterr().err == ""
