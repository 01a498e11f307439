"""What is installed is what is here, and each package says what it is."""

import ast
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED = ("crds", "devctl", "stacks", "reconciler")
PACKAGES = sorted(
    {
        file.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for name in INSTALLED
        for file in (ROOT / name).rglob("*.py")
    }
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_installed_and_says_what_it_is(package: str) -> None:
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert any(fnmatch(package, pattern) for pattern in find["include"])
    # Without this file it would be left out of the wheel.
    text = (ROOT / package.replace(".", "/") / "__init__.py").read_text()
    assert ast.get_docstring(ast.parse(text))
