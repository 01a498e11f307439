"""The digest of what a run depends on. Equal digests and healthy children: no run."""

import dataclasses
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel

import stacks


def inputs_digest(inputs: Any) -> str:
    """Digest of a program's inputs (a dataclass) and of the programs themselves."""
    text = json.dumps(_plain(inputs), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{programs_digest()}{text}".encode()).hexdigest()[:40]


@cache
def programs_digest() -> str:
    """Digest of all files of the package `stacks`: a changed program is a reason for a run."""
    digest = hashlib.sha256()
    root = resources.files(stacks)
    for folder in (root, root / "files"):
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
