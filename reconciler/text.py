"""Text that others wrote, made fit for a line of a status or a log. Pure."""

import re


def plain(text: str) -> str:
    """The text in one line, without Pulumi's colour directives and without control characters."""
    text = re.sub(r"<\{%[^%]*%\}>", "", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cut(text: str, limit: int) -> str:
    """The text, of at most so many characters before dots that tell of the rest."""
    return text if len(text) <= limit else f"{text[:limit]} ..."
