"""Text that others wrote, made fit for a line of a status or a log. Pure."""

import re


def plain(text: str) -> str:
    """The text in one line, without Pulumi's colour directives and without control characters."""
    text = re.sub(r"<\{%[^%]*%\}>", "", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cut(text: str, limit: int) -> str:
    """The text in at most so many characters; dots tell of what was cut off."""
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def ending(text: str, limit: int) -> str:
    """The end of the text in at most so many characters; dots tell of what was cut off."""
    return text if len(text) <= limit else f"... {text[4 - limit :]}"
