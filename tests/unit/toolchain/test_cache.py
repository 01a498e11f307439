"""Where the toolchain is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

import toolchain


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"DEVSERVER_CACHE": "/own", "XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/own"),
        ({"DEVSERVER_CACHE": "", "XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/xdg/devserver-operator"),
        (
            {"DEVSERVER_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/home/me"},
            "/home/me/.cache/devserver-operator",
        ),
    ],
)
def test_the_cache_is_outside_the_checkout(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert toolchain.cache_dir() == Path(expected)
