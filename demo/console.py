"""What the demo prints: headings, steps with their seconds, commands with their output."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from demo.errors import DemoError

_WIDTH = 68


def heading(text: str) -> None:
    """Begin a part of the demo."""
    print(f"\n== {text}", flush=True)


def line(text: str) -> None:
    """Print one line of a part."""
    print(f"   {text}", flush=True)


def block(text: str) -> None:
    """Print several lines of a part, such as the output of a command."""
    for each in text.rstrip("\n").splitlines():
        line(f"  {each}")


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print `text` and, when the block has ended well, the seconds that it took."""
    print(f"   {text:<{_WIDTH}}", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(" failed", flush=True)
        raise
    print(f"{time.monotonic() - began:6.1f} s", flush=True)


def wait_for(
    command: Sequence[str], environment: Mapping[str, str], progress: Callable[[], str], every_s: float
) -> str:
    """Standard output of a command that waits for something; prints `progress()` every so many seconds.

    Raises DemoError with what the command said if it fails.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while True:
            try:
                output, errors = process.communicate(timeout=every_s)
                break
            except subprocess.TimeoutExpired:
                line(f"  ... {progress()}")
    finally:
        process.kill()
    if process.returncode != 0:
        raise DemoError(errors.strip() or f"{command[0]} ended with exit code {process.returncode}")
    return output
