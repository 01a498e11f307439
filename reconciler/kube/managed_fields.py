"""Which fields of an object are ours, by the API server's own record (metadata.managedFields). Pure.

If someone changes or removes a field that we applied, the field leaves our entry in the record. Fields that others add
and defaults that the API server fills in are never in our entry. So comparing two entries finds drift without guessing
defaults.

The format fieldsV1 comes from structured-merge-diff: `f:` and a name, `k:` and the keys of a list's item, `v:` and a
list's value, `.` for the item itself.
"""

import json
import re
import sys
from collections.abc import Iterator

from reconciler.kube.objects import Object
from stacks.metadata import MANAGER

# Name of the entry in the metadata of an object that `with_managed_fields` reduced.
_OWN_FIELDS = "ownFields"
_UID_KEY = re.compile(r'(k:\{\\"uid\\":\\")[0-9a-f-]+')


def managed_fields(obj: Object) -> str:
    """The entry of our field manager, as text. Objects of the same shape share one string in memory."""
    if _OWN_FIELDS in obj["metadata"]:
        return str(obj["metadata"][_OWN_FIELDS])
    for entry in obj["metadata"].get("managedFields") or []:
        if (
            entry.get("manager") == MANAGER
            and entry.get("operation") == "Apply"
            and not entry.get("subresource")
        ):
            text = json.dumps(entry.get("fieldsV1") or {}, sort_keys=True, separators=(",", ":"))
            # Only the owner's uid differs between two stacks of one kind.
            return sys.intern(_UID_KEY.sub(r"\1", text))
    return "{}"


def with_managed_fields(obj: Object) -> Object:
    """The object with our entry alone. The record of all field managers is the largest part of most objects."""
    fields = managed_fields(obj)
    obj["metadata"].pop("managedFields", None)
    obj["metadata"][_OWN_FIELDS] = fields
    return obj


def lost_fields(recorded: str, live: str) -> tuple[str, ...]:
    """Sorted paths, such as `spec.replicas`, of fields that were ours and are not any more."""
    if recorded == live:
        return ()
    missing = set(_leaves(json.loads(recorded))) - set(_leaves(json.loads(live)))
    return tuple(sorted(missing))


def _leaves(fields: Object, path: str = "") -> Iterator[str]:
    for name, below in fields.items():
        if name == ".":
            continue
        deeper = path + _step(name, path)
        if below and set(below) != {"."}:
            yield from _leaves(below, deeper)
        else:
            yield deeper


def _step(name: str, path: str) -> str:
    kind, _, rest = name.partition(":")
    if kind == "f":
        return f".{rest}" if path else rest
    if kind == "k":
        keys = json.loads(rest)
        return f"[{','.join(f'{key}={value}' for key, value in sorted(keys.items()))}]"
    return f"[{rest}]"
