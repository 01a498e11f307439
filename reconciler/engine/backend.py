"""Where the checkpoint of a run comes from and goes to.

Normally that is a directory of the run's own. No lock in it can go stale, and a killed run leaves nothing behind that
matters. An external backend (file://, postgres://, s3://, ...) is one of Pulumi's own, and other people and processes
may use it too. It has locks. A killed run leaves its lock there, and the operations that it had begun.
https://www.pulumi.com/docs/iac/concepts/state-and-backends/
"""

import json
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import psutil
import structlog
from pulumi.automation.errors import CommandError

from reconciler.engine.locks import Host, is_stale, locks_in
from reconciler.state import checkpoint as checkpoints
from reconciler.state.checkpoint import PROJECT, Checkpoint
from reconciler.state.diagnosis import Problem, Unusable
from reconciler.state.run_claim import CutShort
from reconciler.status import reasons
from reconciler.status.errors import TransientError

_log = structlog.get_logger()
_URL_VARIABLE = "PULUMI_BACKEND_URL"
_NO_SUCH_STACK = "no stack named"
# The errors that only damaged bytes lead to. (A store that cannot be reached fails with other words.)
_NONSENSE = (
    r"(unexpected end of JSON|invalid character|cannot unmarshal|unsupported checkpoint|integrity failure)"
)
_DAMAGED = re.compile(rf"failed to load checkpoint: .*{_NONSENSE}|snapshot integrity failure", re.DOTALL)
# `stack rm` does not say that it was the loading that failed.
_NOT_REMOVABLE = re.compile(_NONSENSE)
_AWAY = re.compile(
    r"unable to open state|unable to check if|failed to load checkpoint|problem with.* bucket|could not list"
)


@dataclass(frozen=True)
class RunPlace:
    """Where one run happens. command: runs the CLI there and returns its output; raises CommandError."""

    stack: str
    directory: Path
    command: Callable[..., str]


class Backend(Protocol):
    """How a run gets its checkpoint and leaves it."""

    def environment(self, directory: Path) -> Mapping[str, str]:
        """The variables that tell the CLI where the backend is."""

    def give(self, run: RunPlace, checkpoint: Checkpoint) -> None:
        """Have the backend hold the checkpoint, before the run."""

    def take(self, run: RunPlace) -> Checkpoint:
        """The checkpoint after the run."""

    def recover(self, run: RunPlace, output: str, cut_short: Sequence[CutShort]) -> bool:
        """Whether to retry a command that failed with that output. Raises TransientError if it must wait."""

    def redacted(self, text: str) -> str:
        """The text without what must not be shown."""


class PrivateDirectory:
    """A backend for one run alone. A new stack needs no `pulumi stack init` there."""

    def environment(self, directory: Path) -> Mapping[str, str]:
        """The address of a backend in the run's directory.

        The engine writes the checkpoint once, at the end of the run. What a run that is cut short has written is not
        used, and writing after every step takes a third of an engine's processor time.
        """
        return {_URL_VARIABLE: f"file://{directory}", "PULUMI_SKIP_CHECKPOINTS": "true"}

    def give(self, run: RunPlace, checkpoint: Checkpoint) -> None:
        """Write the file that the engine reads."""
        file = self._file(run)
        file.parent.mkdir(parents=True)
        file.write_bytes(checkpoint)
        (run.directory / ".pulumi" / "meta.yaml").write_text("version: 1\n")

    def take(self, run: RunPlace) -> Checkpoint:
        """Read the file that the engine wrote. Raises TransientError if it is incomplete, as on a full disk."""
        checkpoint = self._file(run).read_bytes()
        try:
            checkpoints.children(checkpoint)
        except ValueError as error:
            why = "The run left an incomplete state. The run directory may be full; trying again."
            raise TransientError(reasons.RUN_FAILED, why) from error
        return checkpoint

    def recover(self, run: RunPlace, output: str, cut_short: Sequence[CutShort]) -> bool:
        """Never: nobody else uses this backend, so no lock of others can be the cause."""
        return False

    def redacted(self, text: str) -> str:
        """The text: there is no secret in it."""
        return text

    @staticmethod
    def _file(run: RunPlace) -> Path:
        return run.directory / ".pulumi" / "stacks" / PROJECT / f"{run.stack}.json"


@dataclass(frozen=True)
class ExternalBackend:
    """A backend that outlives runs and has other users. url: may hold a password, which is never shown."""

    url: str

    def environment(self, directory: Path) -> Mapping[str, str]:
        """The external address."""
        parts = urlsplit(self.url)
        if parts.scheme == "file" and "metadata=" not in parts.query:
            # By default Pulumi's library keeps a file of attributes beside each file. A kill in the middle of
            # writing one would make the stack unreadable for ever. The files themselves are replaced as a whole.
            # https://pkg.go.dev/gocloud.dev/blob/fileblob#URLOpener
            parts = parts._replace(query="&".join(filter(None, (parts.query, "metadata=skip"))))
        return {_URL_VARIABLE: parts.geturl()}

    def give(self, run: RunPlace, checkpoint: Checkpoint) -> None:
        """Write the checkpoint to the backend, unless it is there already."""
        found = self.find(run)
        if isinstance(found, Unusable) and found.problem is Problem.MISSING:
            run.command("stack", "init", run.stack)
        if isinstance(found, Unusable) or checkpoints.deployment(found) != checkpoints.deployment(checkpoint):
            file = run.directory / "deployment.json"
            file.write_text(json.dumps({"version": 3, "deployment": checkpoints.deployment(checkpoint)}))
            run.command("stack", "import", "--file", str(file), "--stack", run.stack)

    def take(self, run: RunPlace) -> Checkpoint:
        """Read the checkpoint back. Raises TransientError if it cannot be read."""
        found = self.find(run)
        if isinstance(found, Unusable):
            raise TransientError(
                reasons.BACKEND_FAILED, f"The run's state cannot be read back: {found.detail}."
            )
        return found

    def find(self, run: RunPlace) -> Checkpoint | Unusable:
        """The checkpoint that the backend holds. Raises CommandError if the backend fails."""
        try:
            exported = run.command("stack", "export", "--stack", run.stack)
        except CommandError as error:
            if _NO_SUCH_STACK in str(error):
                return Unusable(Problem.MISSING, "it does not exist")
            if _DAMAGED.search(str(error)):
                return Unusable(Problem.DAMAGED, "it cannot be parsed")
            raise
        try:
            return checkpoints.of_deployment(run.stack, exported)
        except ValueError as error:
            return Unusable(Problem.DAMAGED, f"it cannot be parsed: {error}")

    def remove(self, run: RunPlace) -> None:
        """Remove the stack with its history and backups. The objects that it still records are not deleted."""
        remove = ("stack", "rm", "--yes", "--force", "--remove-backups", "--stack", run.stack)
        try:
            run.command(*remove)
        except CommandError as error:
            if _NO_SUCH_STACK in str(error):
                return
            if not _NOT_REMOVABLE.search(str(error)):
                raise
            # Pulumi removes only a stack that it can read.
            self.give(run, checkpoints.empty(run.stack))
            run.command(*remove)

    def recover(self, run: RunPlace, output: str, cut_short: Sequence[CutShort]) -> bool:
        """Remove the locks of dead processes. Raises TransientError if a holder may live or the backend is away."""
        locks = locks_in(output)
        if locks is None:
            if _AWAY.search(output):
                raise TransientError(reasons.BACKEND_FAILED, f"The state backend failed: {output}")
            return False
        living = [lock for lock in locks if not is_stale(lock, _this_host(), cut_short)]
        if living:
            holders = ", ".join(map(str, living))
            raise TransientError(
                reasons.STATE_LOCKED,
                f"The stack is locked by {holders}; waiting until it is released. If you are sure that nothing runs "
                f"there any more, release it: pulumi cancel --stack {checkpoints.full_name_of(run.stack)}",
            )
        _log.warning("stale lock removed", holders=", ".join(map(str, locks)))
        run.command("cancel", "--yes", "--stack", run.stack)
        return True

    def redacted(self, text: str) -> str:
        """The text without the password and without the query, which may hold keys."""
        parts = urlsplit(self.url)
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        text = text.replace(self.url, shown)
        hidden = {parts.password, unquote(parts.password or ""), parts.query}
        for secret in sorted(filter(None, hidden), key=len, reverse=True):
            text = text.replace(secret, "****")
        return text


def _this_host() -> Host:
    return Host(socket.gethostname(), _started, _is_ours)


def _started(pid: int) -> datetime | None:
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return datetime.fromtimestamp(process.create_time(), UTC)
    except psutil.NoSuchProcess:
        return None


def _is_ours(pid: int) -> bool:
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).parents()]
    except psutil.NoSuchProcess:
        return True
    return any(member.pid == os.getpid() for member in family)
