"""YAML as people write it: what is read, and what is refused with a line that says where."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crds.reader import UnreadableError, load_documents
from tests.builders import MODELS
from tests.case_files import Text, unreadable
from tests.strategies import HOSTILE


@pytest.mark.parametrize("file", unreadable(), ids=str)
def test_what_no_reader_may_take_for_a_manifest_is_refused(file: Text) -> None:
    with pytest.raises((UnreadableError, ValidationError)):
        judge(file.text)


def judge(text: str) -> None:
    for document in load_documents(text):
        MODELS[document["kind"]].model_validate(document)


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        ("---\n---\n", []),
        ("a: 1\n---\nb: [x, true, 1.5, null]", [{"a": 1}, {"b": ["x", True, 1.5, None]}]),
        ("a: &a {b: 1}\nc: {<<: *a, d: 2}", [{"a": {"b": 1}, "c": {"b": 1, "d": 2}}]),
        ("a: 2030-01-01\nb: 2030-13-45T99:00:00Z", [{"a": "2030-01-01", "b": "2030-13-45T99:00:00Z"}]),
        ("text alone", ["text alone"]),
    ],
)
def test_what_a_manifest_may_hold_is_read(text: str, documents: list[Any]) -> None:
    assert load_documents(text) == documents


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2", "the key 'a' appears twice"),
        ("{a: 1, 'a': 2}", "the key 'a' appears twice"),
        ("{<<: {a: 1}, a: 2}", "the key 'a' appears twice"),
        ("a: !!python/object/apply:os.system ['touch /tmp/owned']", "could not determine a constructor"),
        ("a: !!timestamp x", "could not determine a constructor"),
        ("a: !!int x", "invalid literal"),
        ("a: !!bool x", "x"),
        ("[" * 1000, "nested too deeply"),
        ("a: \x1b[2J", "unacceptable character"),
        ("a: *b", "undefined alias"),
    ],
)
def test_what_it_may_not_hold_is_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(UnreadableError, match=told) as refused:
        load_documents(text)
    assert "\n" not in str(refused.value)


SIGNS = [": ", "- ", "[", "]", "{", "}", ", ", "? ", "# ", "&a ", "*a", "<<: ", "|\n", "0x", "1:", "2030-"]
TAGS = ["!!int ", "!!float ", "!!bool ", "!!null ", "%YAML 1.1\n"]


@given(st.lists(st.sampled_from([*HOSTILE, *SIGNS, *TAGS]), max_size=12).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load_documents(text)
    except UnreadableError:
        return
