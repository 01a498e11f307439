"""Structured logs: JSON lines in a cluster, coloured text on a terminal."""

import logging
import sys

import structlog

from reconciler.settings import Settings


def configure(settings: Settings) -> None:
    """Set up structlog for the whole process."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # JSON escapes by itself what is not ASCII.
    inert = [] if settings.log_format == "json" else [_make_inert]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *inert,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level.upper()]
        ),
    )


def printable(text: str) -> str:
    """The text with everything escaped that a terminal could take for a command or show in another order."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _make_inert(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Values may hold what users chose."""
    return {name: _inert(value, keep_lines=name == "exception") for name, value in event.items()}


def _inert(value: object, keep_lines: bool) -> object:
    if value is None or isinstance(value, int | float):
        return value
    # What is not text is shown by repr, which escapes.
    text = value if isinstance(value, str) else repr(value)
    return "\n".join(map(printable, text.split("\n"))) if keep_lines else printable(text)
