"""Where Debian packages come from: wherever this machine's apt gets its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from images import ImageError, debian


def answer(monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str]) -> dict[str, str]:
    """Let a program answer with the output listed for the last word of its command line.

    Returns what it is told in the environment, as soon as one is.
    """
    told: dict[str, str] = {}

    def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
        told.update(env or {})
        return outputs.get(str(command[-1]), "")

    monkeypatch.setattr(debian, "run", run)
    return told


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        ("http://mirror.example/debian/\n", ["http://mirror.example/debian/"]),
        ("cdrom:[Debian]/\nhttps://mirror.example/debian/\n", ["https://mirror.example/debian/"]),
        ("file:/srv/debian/\n", ["file:/srv/debian/"]),
        ("", []),
        ("mirror+file:/etc/apt/mirrors.txt\n", []),
    ],
)
def test_the_mirror_is_apts_own(monkeypatch: pytest.MonkeyPatch, known: str, chosen: list[str]) -> None:
    answer(monkeypatch, {"Release: bookworm": known})
    assert debian.mirror("bookworm") == chosen


def test_proxies_of_apt_are_passed_on_unless_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    told = answer(
        monkeypatch,
        {"Acquire::http::Proxy": "http://proxy.example:3128\n", "Acquire::https::Proxy": "DIRECT\n"},
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)
    debian.run_isolated("true")
    proxies = {name: value for name, value in told.items() if name.endswith("_proxy")}
    assert proxies == {"http_proxy": "http://proxy.example:3128"}


def test_without_root_the_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ImageError, match="needs root"):
        debian.run_isolated("true")
