"""What a CRD's schema says of a value: the judgement of an API server, without one and without the models.

CEL rules are left aside: a schema has them as text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crds.schema import definitions

Schema = dict[str, Any]
SCHEMAS: dict[str, Schema] = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for crd in definitions().values()
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True)
class Fault:
    """place: as an API server names it (`spec.env[0].name`); field: the schema's node (`spec.env[].name`).

    word: the word of the schema that is not kept.
    """

    place: str
    field: str
    word: str


def faults(kind: str, manifest: Any) -> list[Fault]:
    """Everything in the manifest's spec that the schema of the kind does not allow."""
    schema, spec = SCHEMAS[kind], manifest.get("spec")
    if spec is None:
        return [Fault("spec", "spec", "required")]
    return list(_faults(schema["properties"]["spec"], spec, "spec", "spec"))


def whole(pattern: str) -> re.Pattern[str]:
    """A schema's or CEL's pattern as the API server reads it: its `$` is the very end."""
    assert pattern[-1] == "$"
    return re.compile(pattern[:-1] + r"\Z")


def _faults(schema: Schema, value: Any, place: str, field: str) -> Iterator[Fault]:
    if not _is_of_type(schema, value):
        yield Fault(place, field, "type")
        return
    for word in _broken(schema, value):
        yield Fault(place, field, word)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(schema["items"], item, f"{place}[{index}]", f"{field}[]")
    elif isinstance(value, dict):
        yield from _faults_of_members(schema, value, place, field)


def _faults_of_members(schema: Schema, value: dict[str, Any], place: str, field: str) -> Iterator[Fault]:
    known = schema.get("properties", {})
    # What is null is taken for left out. In a list it is not.
    there = {name: item for name, item in value.items() if item is not None}
    for name in schema.get("required", []):
        if name not in there:
            yield Fault(f"{place}.{name}", f"{field}.{name}", "required")
    for name in value:
        if name not in known and "additionalProperties" not in schema:
            yield Fault(f"{place}.{name}", f"{field}.{name}", "unknown")
    for name, item in there.items():
        if name in known:
            yield from _faults(known[name], item, f"{place}.{name}", f"{field}.{name}")
        elif "additionalProperties" in schema:
            yield from _faults(schema["additionalProperties"], item, f"{place}.{name}", f"{field}{{}}")


def _is_of_type(schema: Schema, value: Any) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, str | int) and not isinstance(value, bool)
    if isinstance(value, bool):
        return schema["type"] == "boolean"
    return isinstance(value, _TYPES[schema["type"]])


def _broken(schema: Schema, value: Any) -> Iterator[str]:
    """Words about the value itself."""
    if "enum" in schema and value not in schema["enum"]:
        yield "enum"
    if isinstance(value, str):
        if "pattern" in schema and not whole(schema["pattern"]).match(value):
            yield "pattern"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield "length"
    elif isinstance(value, int):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield "bounds"
    elif isinstance(value, list | dict):
        if len(value) > schema.get("maxItems" if isinstance(value, list) else "maxProperties", len(value)):
            yield "size"
        keys = schema.get("x-kubernetes-list-map-keys")
        if keys and not _are_distinct(value, keys):
            yield "duplicate"


def _are_distinct(items: list[Any], keys: list[str]) -> bool:
    told = [str([item.get(key) for key in keys]) for item in items if isinstance(item, dict)]
    return len(set(told)) == len(told)
