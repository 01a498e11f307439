"""What can be wrong with a stack's stored state, and how it is found. Pure.

The way out is the same for every problem: the run starts from an empty state, adopts what exists under the
explicit names and records it anew. Nothing is lost by that, save the record of what a destroy would delete: that
is then found by the uid label, and what is retained stays.
"""

import base64
import gzip
import io
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler import checkpoint, reasons
from reconciler.checkpoint import Checkpoint
from reconciler.resources import CHILD_RESOURCES

DATA = "checkpoint.json.gz"
# A damaged or hostile archive must not fill the memory; real ones are a tenth of a MiB.
_MAX_UNPACKED_BYTES = 64 * 2**20


class Problem(StrEnum):
    """Value of the label `problem` in the metrics."""

    MISSING = "missing"  # there is no checkpoint, although there was a successful run
    DAMAGED = "damaged"  # cut short, empty, not gzip, not JSON, not a checkpoint
    FOREIGN = "foreign"  # the checkpoint of another stack
    KEYS_LOST = "keys-lost"  # encrypted with a passphrase that is not ours
    TOO_LARGE = "too-large"  # does not fit into a Secret
    CONFLICT = "conflict"  # someone else wrote it meanwhile
    ENGINE_KEYS = "engine-keys"  # the Secret with the passphrase is damaged


# Those that make a run start from nothing, and what an Event says of them.
REASONS = {
    Problem.MISSING: reasons.STATE_MISSING,
    Problem.DAMAGED: reasons.STATE_DAMAGED,
    Problem.FOREIGN: reasons.STATE_FOREIGN,
    Problem.KEYS_LOST: reasons.STATE_KEYS_LOST,
}


@dataclass(frozen=True)
class Unusable:
    """Why there is no checkpoint to start from. detail: a sentence without its end."""

    problem: Problem
    detail: str


def diagnose(
    secret: dict[str, Any] | None, stack: str, salt: str, outlines: bool = False
) -> Checkpoint | Unusable:
    """The checkpoint of the stack in a state Secret, or why it cannot be used.

    salt: the encryption salt in use. outlines: whether an outline is enough, as the backend is an external one.
    """
    data = (secret or {}).get("data")
    packed = data.get(DATA) if isinstance(data, dict) else None
    if packed is None:
        return Unusable(Problem.MISSING, "it does not exist")
    try:
        content = _unpacked(packed)
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
        return Unusable(Problem.DAMAGED, f"it cannot be unpacked: {str(error) or type(error).__name__}")
    return examine(content, stack, salt, outlines)


def examine(content: Checkpoint, stack: str, salt: str, outlines: bool = False) -> Checkpoint | Unusable:
    """The checkpoint, if it can be used for the stack under this salt."""
    try:
        found = checkpoint.contents(content)
    except ValueError as error:
        return Unusable(Problem.DAMAGED, f"it cannot be parsed: {error}")
    if found.stack != checkpoint.full_name_of(stack):
        return Unusable(Problem.FOREIGN, f"it belongs to the stack {found.stack}")
    if found.is_blank:
        return Unusable(Problem.MISSING, "it records no run")
    if found.is_outline and not outlines:
        return Unusable(Problem.MISSING, "it is in an external backend, but DEVSERVER_BACKEND_URL is not set")
    if found.salt not in (None, salt):
        return Unusable(Problem.KEYS_LOST, "it was encrypted with a passphrase that is lost")
    for child in found.recorded:
        if (child.api_version, child.kind) not in CHILD_RESOURCES:
            return Unusable(Problem.DAMAGED, f"it records a {child.kind}, which no stack makes")
    return content


def _unpacked(packed: str) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(packed, validate=True))) as archive:
        content = archive.read(_MAX_UNPACKED_BYTES + 1)
    if len(content) > _MAX_UNPACKED_BYTES:
        raise ValueError(f"more than {_MAX_UNPACKED_BYTES} bytes")
    return content
