"""The documents say what the code does."""

import ast
import re
from pathlib import Path

import pytest
import typer

from devctl.app import app as devctl_app
from devctl.errors import ExitCode
from reconciler.settings import Settings
from reconciler.status import reasons
from tests.e2e.situation_cases import CASES
from tests.e2e.situations import ELSEWHERE, documented

ROOT = Path(__file__).parents[2]
REASONS = [value for name, value in vars(reasons).items() if name.isupper()]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_in_the_troubleshooting_guide(reason: str) -> None:
    assert f"`{reason}`" in (ROOT / "docs/troubleshooting.md").read_text()


def test_every_situation_of_the_troubleshooting_guide_is_produced_in_a_test_and_no_other() -> None:
    assert documented().keys() == CASES.keys() | ELSEWHERE.keys()
    assert not CASES.keys() & ELSEWHERE.keys()
    assert len(documented()) >= 20


@pytest.mark.parametrize(("situation", "place"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_a_situation_that_is_produced_elsewhere_is(situation: str, place: tuple[str, str]) -> None:
    module = ast.parse((ROOT / "tests/e2e" / place[0]).read_text())
    (test,) = (item for item in module.body if isinstance(item, ast.FunctionDef) and item.name == place[1])
    told = [item.value for item in ast.walk(test) if isinstance(item, ast.Constant)]
    assert documented()[situation].reason in told


def test_every_reason_of_a_situation_is_explained() -> None:
    guide = (ROOT / "docs/troubleshooting.md").read_text().split("\n## Reasons\n")[1]
    assert [row.reason for row in documented().values() if f"`{row.reason}`" not in guide] == []


def test_every_setting_is_documented_with_its_default() -> None:
    table = (ROOT / "docs/settings.md").read_text()
    rows = dict(re.findall(r"^\| `DEVSERVER_(\w+)` \| (.+?) \|", table, flags=re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        assert rows[name.upper()] == shown(field.default)


def shown(default: object) -> str:
    if default is None:
        return "none"
    if default == frozenset():
        return "`[]`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_every_path_that_a_document_links_to_exists() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_only_the_engines_modules_know_the_automation_api() -> None:
    """import-linter cannot tell a part of an external package from the whole."""
    known = {f"engine/{name}.py" for name in ("backend", "engine", "runner", "setup", "processes/command")}
    packages = ("crds", "stacks", "reconciler", "preview")
    importing = {
        str(file.relative_to(ROOT / package))
        for package in packages
        for file in (ROOT / package).rglob("*.py")
        if re.search(r"^\s*(from|import) pulumi\.automation", file.read_text(), flags=re.MULTILINE)
    }
    assert importing == known


def test_every_command_of_devctl_is_documented() -> None:
    document = (ROOT / "docs/devctl.md").read_text()
    for command in commands(devctl_app):
        assert f"`{command}" in document, command


def commands(app: typer.Typer, prefix: str = "") -> list[str]:
    """All commands of an application, as they are typed."""
    found = [
        f"{prefix}{item.name or item.callback.__name__}" for item in app.registered_commands if item.callback
    ]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found += commands(group.typer_instance, f"{group.name} ")
    return found


def test_every_exit_code_of_devctl_is_documented() -> None:
    document = (ROOT / "docs/devctl.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", document, flags=re.MULTILINE)} == set(ExitCode)
