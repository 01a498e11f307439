"""A Pulumi checkpoint as bytes: what it holds, and what may be taken out of it. Pure.

The format is that of the DIY backend's `.pulumi/stacks/PROJECT/STACK.json`, version 3:
`{"version": 3, "checkpoint": {"stack": ..., "latest": {"resources": [...], ...}}}`, as in
https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/apitype/core.go
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.kube.managed_fields import managed_fields
from stacks.metadata import RETAINED_BY_ANNOTATION, Child

PROJECT = "devserver"
# The key that marks a wrapped secret in a serialised property value:
# https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/sig/sig.go
_SECRET_MARK = "4dabf18193072939515e22adb298388d"
_URN = re.compile(r"urn:pulumi:(?P<stack>[^:]+)::")
# The key that marks an outline; see outline().
_OUTLINE = "outline"
Checkpoint = bytes


class Recorded(NamedTuple):
    """A child as its last run left it. version: resourceVersion; fields: our entry in managedFields."""

    version: int
    fields: str


@dataclass(frozen=True)
class Contents:
    """What a checkpoint holds.

    stack: full name. is_blank: whether no run was recorded in it. is_outline: see outline(). salt: of the encryption
    of its secrets, None if it holds none. recorded: the Kubernetes objects that the stack manages.
    """

    stack: str
    is_blank: bool
    is_outline: bool
    salt: str | None
    recorded: Mapping[Child, Recorded]


def empty(stack: str) -> Checkpoint:
    """The checkpoint of a stack that has never run. (It needs no `pulumi stack init`.)"""
    return json.dumps({"version": 3, "checkpoint": {"stack": full_name_of(stack)}}).encode()


def full_name_of(stack: str) -> str:
    """A stack's name as checkpoints hold it."""
    return f"organization/{PROJECT}/{stack}"


@lru_cache(maxsize=64)
def contents(checkpoint: Checkpoint) -> Contents:
    """Parse a checkpoint. Raises ValueError if the bytes are no checkpoint.

    The same bytes are asked for again and again around a run, so the answer is kept.
    """
    document = _parsed(checkpoint)
    stack = document["checkpoint"].get("stack")
    if not isinstance(stack, str):
        raise ValueError("it names no stack")
    salt, found = _salt(document), _recorded_of(document)
    # Every run records the stack itself; `pulumi stack init` does not.
    return Contents(stack, not _resources(document), _OUTLINE in document, salt, MappingProxyType(found))


def deployment(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `pulumi stack import` takes: the state without its envelope. Empty for a stack that never ran."""
    latest: dict[str, Any] = _parsed(checkpoint)["checkpoint"].get("latest") or {}
    return latest


def of_deployment(stack: str, exported: str) -> Checkpoint:
    """The checkpoint that `pulumi stack export` printed for the stack. Raises ValueError if it printed none.

    The export does not name its stack, but the names of its resources do.
    """
    printed = json.loads(exported)
    latest = printed.get("deployment") or {} if isinstance(printed, dict) else None
    if not isinstance(latest, dict):
        raise ValueError("not a Pulumi deployment")
    first = next(iter(latest.get("resources") or ()), None)
    named = _URN.match(str(first.get("urn"))) if isinstance(first, dict) else None
    full_name = full_name_of(named["stack"] if named else stack)
    return json.dumps({"version": 3, "checkpoint": {"stack": full_name, "latest": latest}}).encode()


def settled(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without the operations that a killed run had begun, which Pulumi would keep for ever.

    What those operations made is adopted by the next run, or swept after the last one.
    """
    document = _parsed(checkpoint)
    if not (document["checkpoint"].get("latest") or {}).pop("pending_operations", None):
        return checkpoint
    return json.dumps(document).encode()


def outline(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint reduced to what children() and recorded() read: names and metadata, and no secret.

    The Secret holds it if the checkpoint itself is in an external backend.
    """
    document = _parsed(checkpoint)
    resources = [_outlined(resource) for resource in _resources(document)]
    latest = document["checkpoint"].get("latest") or {}
    latest = {name: value for name, value in latest.items() if name == "secrets_providers"}
    document["checkpoint"]["latest"] = {**latest, "resources": resources}
    return json.dumps({**document, _OUTLINE: True}).encode()


def recorded(checkpoint: Checkpoint) -> Mapping[Child, Recorded]:
    """The Kubernetes objects that the stack manages. Raises ValueError if the bytes are no checkpoint."""
    return contents(checkpoint).recorded


def children(checkpoint: Checkpoint) -> frozenset[Child]:
    """The names of the Kubernetes objects that the stack manages. Raises ValueError as recorded() does."""
    return frozenset(recorded(checkpoint))


def without(checkpoint: Checkpoint, dropped: Callable[[Child], bool]) -> Checkpoint:
    """The checkpoint without the objects for which `dropped` is true.

    The engine deletes by name. So an object that is no longer the stack's must leave the checkpoint first.
    """
    names = {child for child in children(checkpoint) if dropped(child)}
    if not names:
        return checkpoint
    document = _parsed(checkpoint)
    resources = _resources(document)
    gone = {item["urn"] for item in resources if _child(item) in names}
    kept = [_independent_of(item, gone) for item in resources if item["urn"] not in gone]
    document["checkpoint"]["latest"]["resources"] = kept
    return json.dumps(document).encode()


def secret_data(deployment: dict[str, Any], child: Child) -> dict[str, str] | None:
    """The data of a Secret, as text by name, in a deployment that `pulumi stack export --show-secrets` printed."""
    for resource in deployment["deployment"].get("resources", []):
        if _child(resource) == child:
            data = _revealed(resource["inputs"].get("data") or {})
            return {name: base64.b64decode(value).decode() for name, value in data.items()}
    return None


def _revealed(value: Any) -> Any:
    """The value with Pulumi's wrapping of plain-text secrets taken off at every level."""
    if not isinstance(value, dict):
        return value
    if _SECRET_MARK in value:
        return _revealed(json.loads(value["plaintext"]))
    return {name: _revealed(item) for name, item in value.items()}


def _parsed(checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        document = json.loads(checkpoint)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict) or not isinstance(document.get("checkpoint"), dict):
        raise ValueError("not a Pulumi checkpoint")
    return document


def _recorded_of(document: dict[str, Any]) -> dict[Child, Recorded]:
    try:
        # without() needs the urn, so a resource that has none is an error here.
        named = [(resource["urn"], resource, _child(resource)) for resource in _resources(document)]
        return {child: _recorded(resource) for _, resource, child in named if child is not None}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a Pulumi checkpoint: {error!r}") from error


def _salt(document: dict[str, Any]) -> str | None:
    found: Any = document["checkpoint"]
    for name in ("latest", "secrets_providers", "state", "salt"):
        if not isinstance(found, dict):
            raise ValueError(f"not a Pulumi checkpoint: {name} is not where it should be")
        found = found.get(name) or {}
    return str(found) if found else None


def _resources(document: dict[str, Any]) -> list[dict[str, Any]]:
    latest = document["checkpoint"].get("latest") or {}
    return latest.get("resources") or []


def _child(resource: dict[str, Any]) -> Child | None:
    """The Kubernetes object of a resource; None for the stack itself and its provider."""
    if not resource["type"].startswith("kubernetes:") or resource.get("delete"):
        return None
    inputs = resource.get("inputs") or {}
    metadata = inputs.get("metadata") or {}
    if not metadata.get("name"):
        return None
    parts = (inputs["apiVersion"], inputs["kind"], metadata.get("namespace", ""), metadata["name"])
    if not all(isinstance(part, str) for part in parts):
        raise TypeError(f"{parts} is no object")
    return Child(
        *parts,
        retained=RETAINED_BY_ANNOTATION in (metadata.get("annotations") or {}),
    )


def _outlined(resource: dict[str, Any]) -> dict[str, Any]:
    inputs, outputs = resource.get("inputs") or {}, resource.get("outputs") or {}
    kept: dict[str, Any] = {name: resource[name] for name in ("urn", "type", "delete") if name in resource}
    if _child(resource) is not None:
        kept["inputs"] = {name: inputs.get(name) for name in ("apiVersion", "kind", "metadata")}
        if "metadata" in outputs:
            kept["outputs"] = {"metadata": outputs["metadata"]}
    return kept


def _recorded(resource: dict[str, Any]) -> Recorded:
    live = resource.get("outputs") or {}
    if "metadata" not in live:
        return Recorded(0, "{}")
    return Recorded(int(live["metadata"].get("resourceVersion") or 0), managed_fields(live))


def _independent_of(resource: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    """The resource without its references to resources in `gone`. (Dangling ones make a checkpoint invalid.)"""
    result = dict(resource)
    if "dependencies" in result:
        result["dependencies"] = [urn for urn in result["dependencies"] if urn not in gone]
    if "propertyDependencies" in result:
        result["propertyDependencies"] = {
            name: [urn for urn in urns or [] if urn not in gone]
            for name, urns in result["propertyDependencies"].items()
        }
    return result
