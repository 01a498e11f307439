"""What a check finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from devctl.errors import DevctlError

Level = Literal["good", "unsure", "bad"]


@dataclass(frozen=True)
class Result:
    """A check's. about: what was looked at. said: what was found, and what to do."""

    level: Level
    about: str
    said: str


def checked(about: str, check: Callable[[], Result]) -> Result:
    """The check's result; an error of it is a bad one."""
    try:
        return check()
    except DevctlError as error:
        return Result("bad", about, error.message)
