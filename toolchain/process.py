"""Runs other programs so that none of them outlives an interrupted step."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .errors import SourceFailed

SHOWN_LINES = 25


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    grace_s: float = 5.0,
) -> str:
    """Run `command` in a process group of its own and return its output, standard error included.

    `env` is added to this process's environment. If this call is interrupted or `timeout_s` passes, the whole
    group gets SIGINT, and SIGKILL after `grace_s`. Raises SourceFailed, with the end of the output, if the
    command cannot be started, fails, or takes too long.
    """
    name = Path(command[0]).name
    # A file, not a pipe: a grandchild that holds a pipe open would keep us waiting for its end.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Python's own files are not inherited anyway; the lock on the tool is, on purpose.
                close_fds=False,
            )
        except OSError as error:
            raise SourceFailed(f"{name} cannot be started: {error}") from error
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            stop(process, grace_s)
            raise SourceFailed(f"{name} did not end within {timeout_s:.0f} s") from None
        except BaseException:
            stop(process, grace_s)
            raise
        output.seek(0)
        text = output.read().decode(errors="replace")
    if code != 0:
        shown = "\n".join(text.splitlines()[-SHOWN_LINES:])
        raise SourceFailed(f"{name} failed with exit code {code}:\n{shown}")
    return text


def stop(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End the process group that `process` leads: SIGINT, so that it can tidy up, then SIGKILL."""
    try:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(grace_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
