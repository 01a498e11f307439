"""What can be wrong with a stack's stored state, and how it is found. Pure.

The remedy is the same for every problem. The run starts from an empty checkpoint, adopts what exists under the
explicit names and records it anew. Only the record of what a destroy would delete is lost. Those objects are found
by the uid label instead, and what is retained stays.
"""

import base64
import gzip
import io
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crds.resources import CHILD_RESOURCES
from reconciler.state import checkpoint as checkpoints
from reconciler.state.checkpoint import Checkpoint
from reconciler.status import reasons

DATA = "checkpoint.json.gz"
# A damaged or hostile archive must not fill the memory. Real checkpoints have a tenth of a MiB.
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


# The reasons of the Events about those problems that make a run start from an empty checkpoint.
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
        checkpoint = _unpacked(packed)
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
        return Unusable(Problem.DAMAGED, f"it cannot be unpacked: {str(error) or type(error).__name__}")
    return examine(checkpoint, stack, salt, outlines)


def examine(checkpoint: Checkpoint, stack: str, salt: str, outlines: bool = False) -> Checkpoint | Unusable:
    """The checkpoint, if it can be used for the stack under this salt."""
    try:
        found = checkpoints.contents(checkpoint)
    except ValueError as error:
        return Unusable(Problem.DAMAGED, f"it cannot be parsed: {error}")
    if found.stack != checkpoints.full_name_of(stack):
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
    return checkpoint


def _unpacked(packed: str) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(packed, validate=True))) as archive:
        checkpoint = archive.read(_MAX_UNPACKED_BYTES + 1)
    if len(checkpoint) > _MAX_UNPACKED_BYTES:
        raise ValueError(f"more than {_MAX_UNPACKED_BYTES} bytes")
    return checkpoint
