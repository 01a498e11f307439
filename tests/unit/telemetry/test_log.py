"""What the log looks like, whatever users write into their resources."""

import json
from collections.abc import Callable, Iterator

import pytest
import structlog

from reconciler.settings import Settings
from reconciler.telemetry import log
from reconciler.text import printable

# A terminal would clear itself, ring, go back, forge a line, and show the rest from right to left.
HOSTILE = "a\x1b[2J\x07\x7f\r\nforged line\x00\x9b31m\u202egnp.exe\u2066\u2028b"
Emit = Callable[[], str]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def logged(format_: str, capsys: pytest.CaptureFixture[str], **values: object) -> str:
    log.configure(Settings(log_format=format_))  # type: ignore[arg-type]
    structlog.get_logger().warning("it happened", **values)
    return capsys.readouterr().err


@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {HOSTILE: 1}, ValueError(HOSTILE)], ids=type)
@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_value_of_a_user_is_one_line_without_control_characters(
    format_: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    text = logged(format_, capsys, message=value)
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert "it happened" in text
    assert "forged line" in text


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_value_is_cut_where_a_user_chose_a_long_one(
    format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = logged(format_, capsys, message="begin" + "x" * 10**6 + "end", changes={"y" * 10**6: 1})
    assert len(text) < 25_000
    assert "begin" in text
    assert "end" in text


@pytest.mark.parametrize("format_", ["json", "console"])
def test_an_exception_keeps_its_lines_and_nothing_else_that_acts(
    format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(Settings(log_format=format_))  # type: ignore[arg-type]
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("it failed")
    text = capsys.readouterr().err
    assert text.replace("\n", "").isprintable()
    assert "Traceback" in text


def test_numbers_stay_numbers_and_context_is_merged(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.contextvars.bind_contextvars(reconcile_id="4711")
    line = json.loads(logged("json", capsys, seconds=1.5, changes={"create": 5}))
    assert (line["seconds"], line["changes"], line["reconcile_id"]) == (1.5, {"create": 5}, "4711")
    assert line["level"] == "warning"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße 東京 ✓", "Grüße 東京 ✓"),
        ("a\tb\\n", "a\\tb\\n"),
        ("\u202e", "\\u202e"),
        ("\x9b", "\\x9b"),
        ("", ""),
    ],
)
def test_only_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
