"""Where the checkpoint of a run comes from and goes to.

Normally that is a directory of the run's own: no lock in it can go stale, and a killed run leaves nothing that
matters. With an external backend, runs work on a store of their own kind (file://, postgres://, s3://, ...) which
other people and other processes may use, too: it has locks, and a killed run leaves its lock and the operations
that it had begun.
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

from reconciler import checkpoint, reasons
from reconciler.checkpoint import PROJECT, Checkpoint
from reconciler.errors import Transient
from reconciler.locks import CutShort, Here, is_stale, locks_in
from reconciler.state_problems import Problem, Unusable

_log = structlog.get_logger()
_URL_VARIABLE = "PULUMI_BACKEND_URL"
_NO_SUCH_STACK = "no stack named"
# What only damaged bytes lead to. (A store that cannot be reached fails with other words, and is no damage.)
_NONSENSE = (
    r"(unexpected end of JSON|invalid character|cannot unmarshal|unsupported checkpoint|integrity failure)"
)
_DAMAGED = re.compile(rf"failed to load checkpoint: .*{_NONSENSE}|snapshot integrity failure", re.DOTALL)
# `stack rm` says less.
_NOT_REMOVABLE = re.compile(_NONSENSE)
_AWAY = re.compile(
    r"unable to open state|unable to check if|failed to load checkpoint|problem with.* bucket|could not list"
)


@dataclass(frozen=True)
class Place:
    """Where one run happens. command: runs the CLI there and returns its output; raises CommandError."""

    stack: str
    directory: Path
    command: Callable[..., str]


class Backend(Protocol):
    """How a run gets its checkpoint and leaves it."""

    def environment(self, directory: Path) -> Mapping[str, str]:
        """What tells the CLI of the backend."""

    def give(self, place: Place, state: Checkpoint) -> None:
        """Have the backend hold that state for the run to come."""

    def take(self, place: Place) -> Checkpoint:
        """The state after the run."""

    def recover(self, place: Place, output: str, cut_short: Sequence[CutShort]) -> bool:
        """Whether a command that failed with that output is to be tried again. Raises Transient if it is to wait."""

    def redacted(self, text: str) -> str:
        """The text without what must not be shown."""


class PrivateDirectory:
    """A backend for one run alone. A new stack needs no `pulumi stack init` there."""

    def environment(self, directory: Path) -> Mapping[str, str]:
        """The address of a backend in the run's directory.

        The state is written once, at the end of the run: what a run that is cut short has written is not used, and
        to write it after every step is a third of an engine's processor time.
        """
        return {_URL_VARIABLE: f"file://{directory}", "PULUMI_SKIP_CHECKPOINTS": "true"}

    def give(self, place: Place, state: Checkpoint) -> None:
        """Write the file that the engine reads."""
        file = self._file(place)
        file.parent.mkdir(parents=True)
        file.write_bytes(state)
        (place.directory / ".pulumi" / "meta.yaml").write_text("version: 1\n")

    def take(self, place: Place) -> Checkpoint:
        """Read the file that the engine wrote. Raises Transient if it is cut off, as on a full disk."""
        left = self._file(place).read_bytes()
        try:
            checkpoint.children(left)
        except ValueError as error:
            why = "The run left an incomplete state. The run directory may be full; trying again."
            raise Transient(reasons.RUN_FAILED, why) from error
        return left

    def recover(self, place: Place, output: str, cut_short: Sequence[CutShort]) -> bool:
        """Nobody else has this backend, so nothing can be in the way."""
        return False

    def redacted(self, text: str) -> str:
        """The text: there is no secret in it."""
        return text

    @staticmethod
    def _file(place: Place) -> Path:
        return place.directory / ".pulumi" / "stacks" / PROJECT / f"{place.stack}.json"


@dataclass(frozen=True)
class ExternalBackend:
    """A backend that outlives runs and has other users. url: may hold a password, which is shown to nobody."""

    url: str

    def environment(self, directory: Path) -> Mapping[str, str]:
        """The external address."""
        parts = urlsplit(self.url)
        if parts.scheme == "file" and "metadata=" not in parts.query:
            # Else the library keeps a file of attributes beside each, and one that a kill cut off in the middle of
            # its writing would make the stack unreadable for ever. The files themselves are replaced as a whole.
            parts = parts._replace(query="&".join(filter(None, (parts.query, "metadata=skip"))))
        return {_URL_VARIABLE: parts.geturl()}

    def give(self, place: Place, state: Checkpoint) -> None:
        """Bring the backend in line with the state, where it differs."""
        found = self.find(place)
        if isinstance(found, Unusable) and found.problem is Problem.MISSING:
            place.command("stack", "init", place.stack)
        if isinstance(found, Unusable) or checkpoint.deployment(found) != checkpoint.deployment(state):
            file = place.directory / "deployment.json"
            file.write_text(json.dumps({"version": 3, "deployment": checkpoint.deployment(state)}))
            place.command("stack", "import", "--file", str(file), "--stack", place.stack)

    def take(self, place: Place) -> Checkpoint:
        """Read the state back. Raises Transient if it cannot be read."""
        found = self.find(place)
        if isinstance(found, Unusable):
            raise Transient(reasons.BACKEND_FAILED, f"The run's state cannot be read back: {found.detail}.")
        return found

    def find(self, place: Place) -> Checkpoint | Unusable:
        """What the backend holds."""
        try:
            exported = place.command("stack", "export", "--stack", place.stack)
        except CommandError as error:
            if _NO_SUCH_STACK in str(error):
                return Unusable(Problem.MISSING, "it does not exist")
            if _DAMAGED.search(str(error)):
                return Unusable(Problem.DAMAGED, "it cannot be parsed")
            raise
        try:
            return checkpoint.of_deployment(place.stack, exported)
        except ValueError as error:
            return Unusable(Problem.DAMAGED, f"it cannot be parsed: {error}")

    def remove(self, place: Place) -> None:
        """Remove the stack with its history and backups; what it still records is not deleted."""
        remove = ("stack", "rm", "--yes", "--force", "--remove-backups", "--stack", place.stack)
        try:
            place.command(*remove)
        except CommandError as error:
            if _NO_SUCH_STACK in str(error):
                return
            if not _NOT_REMOVABLE.search(str(error)):
                raise
            # It is not removed unless it can be read.
            self.give(place, checkpoint.empty(place.stack))
            place.command(*remove)

    def recover(self, place: Place, output: str, cut_short: Sequence[CutShort]) -> bool:
        """Take locks of the dead away. Raises Transient for the living, and if the backend is away."""
        locks = locks_in(output)
        if locks is None:
            if _AWAY.search(output):
                raise Transient(reasons.BACKEND_FAILED, f"The state backend failed: {output}")
            return False
        living = [lock for lock in locks if not is_stale(lock, _here(), cut_short)]
        if living:
            holders = ", ".join(map(str, living))
            raise Transient(
                reasons.STATE_LOCKED,
                f"The stack is locked by {holders}; waiting until it is released. If you are sure that nothing runs "
                f"there any more, release it: pulumi cancel --stack {checkpoint.full_name_of(place.stack)}",
            )
        _log.warning("stale lock taken away", holders=", ".join(map(str, locks)))
        place.command("cancel", "--yes", "--stack", place.stack)
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


def _here() -> Here:
    return Here(socket.gethostname(), _started, _is_ours)


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
