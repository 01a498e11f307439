"""Versions come out of go.mod."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain import pins
from toolchain.errors import ToolchainError

GO_MOD = """\
module example.test/pins

go 1.26.0

require example.test/single v1.2.3

require (
\texample.test/block v0.34.4
\texample.test/block/v2 v2.0.0-20260221072617-193bc120a557 // indirect
\texample.test/replaced v1.0.0
)

replace (
\texample.test/only-replaced => example.test/other v9.9.9
\texample.test/replaced => example.test/other v9.9.9
)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pins, "MODULES", tmp_path)
    pins.module_digest.cache_clear()
    directory = tmp_path / "example"
    directory.mkdir()
    (directory / "go.mod").write_text(GO_MOD)
    return directory


@pytest.mark.parametrize(
    ("dependency", "version"),
    [
        ("example.test/single", "v1.2.3"),
        ("example.test/block", "v0.34.4"),
        ("example.test/block/v2", "v2.0.0-20260221072617-193bc120a557"),
        ("example.test/replaced", "v1.0.0"),
    ],
)
def test_a_required_version_is_found(module: Path, dependency: str, version: str) -> None:
    assert pins.required_version(module.name, dependency) == version


@pytest.mark.parametrize("dependency", ["example.test/only-replaced", "example.test/absent", "example"])
def test_a_dependency_that_is_not_required_is_named(module: Path, dependency: str) -> None:
    with pytest.raises(ToolchainError, match=rf"toolchain/example/go\.mod does not require {dependency}:"):
        pins.required_version(module.name, dependency)


def test_the_oldest_go_release_is_read_as_numbers(module: Path) -> None:
    assert pins.go_version(module.name) == (1, 26, 0)


def test_the_digest_follows_pins_checksums_and_sources_only(module: Path) -> None:
    def digest() -> str:
        pins.module_digest.cache_clear()
        return pins.module_digest(module.name)

    first = digest()
    (module / "README.md").write_text("not built")
    assert digest() == first
    seen = {first}
    for name in ("go.mod", "go.sum", "main.go", "main.go"):
        with (module / name).open("a") as file:
            file.write("// more\n")
        seen.add(digest())
    assert len(seen) == 5
