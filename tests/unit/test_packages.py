"""What is installed is what is here, each package says what it is, and the unit tests mirror the packages."""

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


# What is not about one module.
ABOUT_THE_WHOLE = {
    "test_architecture.py",
    "test_cases.py",
    "test_deploy.py",
    "test_documents_and_layers.py",
    "test_hostile_input.py",
    "test_hostile_values.py",
    "test_packages.py",
    "test_startup.py",
}
UNIT = Path(__file__).parent
TESTS = sorted(str(file.relative_to(UNIT)) for file in UNIT.rglob("test_*.py"))


@pytest.mark.parametrize("test", [test for test in TESTS if test not in ABOUT_THE_WHOLE])
def test_a_unit_test_has_the_place_and_name_of_its_module(test: str) -> None:
    place, module = Path(test).parent, Path(test).stem.removeprefix("test_")
    # The packages of the reconciler stand at the top.
    package = (
        ROOT / place if place.parts and (ROOT / place.parts[0]).is_dir() else ROOT / "reconciler" / place
    )
    assert (package / f"{module}.py").is_file() or (package / f"__{module}__.py").is_file()


def test_what_is_not_about_one_module_is_there() -> None:
    assert set(TESTS) >= ABOUT_THE_WHOLE


def test_a_type_name_exists_once_in_the_operator() -> None:
    places: dict[str, list[str]] = {}
    for package in ("crds", "stacks", "reconciler"):
        for file in (ROOT / package).rglob("*.py"):
            for item in ast.parse(file.read_text()).body:
                if isinstance(item, ast.ClassDef) and not item.name.startswith("_"):
                    places.setdefault(item.name, []).append(str(file.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
