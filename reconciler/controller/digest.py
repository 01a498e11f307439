"""The digest of what a program declares. With an equal digest and healthy children there is no run."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

from stacks.declarations import Declaration, Program
from stacks.metadata import ON_EVERY_CHILD, PROVIDER_VERSION, Manifest

# The version of the rule below. Every digest begins with the version of its rule.
VERSION = "2"


def program_digest(program: Program) -> str:
    """Digest of the provider and of all objects. It leaves out secrets, because they cause no run."""
    content = {
        "provider": {**program.provider, "version": PROVIDER_VERSION},
        "objects": {item.name: _counted(item) for item in program.declarations},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"{VERSION}:{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def renewed(recorded: str | None, present: str, earlier: Callable[[], str | None]) -> str | None:
    """The recorded digest converted to the present rule, if that needs no run; otherwise the recorded one.

    present: the digest of what the program declares now. earlier: computes the same by an earlier rule, or None.
    """
    if recorded is None or recorded.startswith(f"{VERSION}:"):
        return recorded
    return present if recorded == earlier() else recorded


def _counted(item: Declaration) -> dict[str, Any]:
    """The parts of an object that count. Unused options do not count, so a new option changes no digest."""
    options = {
        field.name: getattr(item, field.name)
        for field in dataclasses.fields(item)
        if field.name not in ("name", "manifest") and getattr(item, field.name) != field.default
    }
    manifest = {name: value for name, value in item.manifest.items() if name not in item.secret_fields}
    return {**options, "manifest": {**manifest, "metadata": _of_its_own(item.metadata)}}


def _of_its_own(metadata: Manifest) -> Manifest:
    """The metadata without the labels and annotations that every child has."""
    return {
        name: {key: item for key, item in value.items() if key not in ON_EVERY_CHILD}
        if name in ("labels", "annotations")
        else value
        for name, value in metadata.items()
    }
