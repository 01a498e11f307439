"""Makes text from users, registries and kubelets harmless for conditions, Events and logs. Pure."""


def printable(text: str) -> str:
    """The text with escapes for everything that a terminal could execute or show in another order."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(text: str) -> str:
    """The text in one line. Each run of control characters and blanks becomes one space."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def shortened(text: str, length: int) -> str:
    """The text, cut to at most `length` characters."""
    return text if len(text) <= length else text[: length - 4] + " ..."


def without_middle(text: str, length: int) -> str:
    """The text, cut in its middle to `length` characters. A traceback's beginning and end say most."""
    return text if len(text) <= length else f"{text[: length // 2 - 5]} ... {text[-length // 2 :]}"


def ending(text: str, length: int) -> str:
    """The end of the text, at most `length` characters."""
    return text if len(text) <= length else f"... {text[4 - length :]}"
