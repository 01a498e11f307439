"""Structured logs: JSON lines in a cluster, coloured text on a terminal."""

import json
import logging
import sys
from typing import Any

import structlog

from reconciler.settings import Settings
from reconciler.text import printable, without_middle

# The maximum length of a value, in characters.
_LONGEST = 10_000


def configure(settings: Settings) -> None:
    """Set up structlog for the whole process."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # JSON output is ASCII: it escapes all other characters.
    inert = [] if settings.log_format == "json" else [_make_inert]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _bound,
            *inert,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level.upper()]
        ),
    )


def _json(value: object, **options: Any) -> str:
    # JSON escapes all control characters except this one.
    return json.dumps(value, **options).replace("\x7f", "\\u007f")


def _bound(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut long values. Users choose some of them, with any length."""
    return {name: _bounded(value) for name, value in event.items()}


def _bounded(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    # The length of other values is that of their repr.
    text = value if isinstance(value, str) else repr(value)
    return value if len(text) <= _LONGEST else without_middle(text, _LONGEST)


def _make_inert(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: _inert(value, keep_lines=name == "exception") for name, value in event.items()}


def _inert(value: object, keep_lines: bool) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return "\n".join(map(printable, text.split("\n"))) if keep_lines else printable(text)
