"""Data and remarks; what strangers chose is inert."""

import json

import pytest
import yaml

from devctl.terminal.output import Terminal
from tests.unit.devctl.objects import EVIL, assert_inert, hostile


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_hostile_devserver_is_inert_and_whole_in_machines_forms(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Terminal().machine(form, hostile())
    text = capsys.readouterr().out
    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert (json.loads(text) if form == "json" else yaml.safe_load(text)) == hostile()


def test_remarks_and_warnings_are_inert_and_not_data(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.say(EVIL)
    terminal.warn(EVIL)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert_inert(captured.err)
    assert "[red]x[/red]" in captured.err


def test_a_list_that_goes_to_a_pipe_is_not_cut_and_has_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a" * 500
    Terminal().table(["NAME", "B"], [[name, "b" * 500]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [name, "b" * 500]
    assert "\x1b" not in "".join(lines)
