"""What is installed is what is here."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_package_of_devctl_is_installed_and_says_what_it_is() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = {name for name in settings["packages"] if name.split(".")[0] == "devctl"}
    assert listed == {
        ".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "devctl").rglob("*.py")
    }
    for name in listed:
        text = (ROOT / name.replace(".", "/") / "__init__.py").read_text()
        assert text.startswith('"""')
