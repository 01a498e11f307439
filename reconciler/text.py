"""Text that users, registries and kubelets chose, made harmless for conditions, Events and logs. Pure."""


def printable(text: str) -> str:
    """The text with everything escaped that a terminal could take for a command or show in another order."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(text: str) -> str:
    """The text in one line and without control characters: a space for each run of them and of blanks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def shortened(text: str, length: int) -> str:
    """The text, cut to at most so many characters."""
    return text if len(text) <= length else text[: length - 4] + " ..."


def without_middle(text: str, length: int) -> str:
    """The text, cut in the same way where it tells least: a traceback's end counts, and so does its beginning."""
    return text if len(text) <= length else f"{text[: length // 2 - 5]} ... {text[-length // 2 :]}"


def ending(text: str, length: int) -> str:
    """The end of the text, at most so many characters."""
    return text if len(text) <= length else f"... {text[4 - length :]}"
