"""The generated CustomResourceDefinitions, and that they say what the models say."""

from collections.abc import Iterator
from typing import Any

import pytest

from crds.schema import definitions
from tests.case_files import cases

Schema = dict[str, Any]

CRDS = definitions()

# Words of JSON Schema that the API server refuses in a structural schema.
NOT_STRUCTURAL = {
    "$ref",
    "$defs",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "const",
    "title",
    "nullable",
    "definitions",
}


def root(plural: str) -> Schema:
    (version,) = CRDS[plural]["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every schema below, by its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


NODES = [node for plural in CRDS for node in nodes(root(plural), plural)]

# The API server bounds and describes these itself; it refuses a description of metadata.
OF_KUBERNETES = ("apiVersion", "kind", "metadata")

OWN = [(path, node) for path, node in NODES if path.partition(".")[2] not in OF_KUBERNETES]


def test_every_schema_is_structural() -> None:
    assert [path for path, node in NODES if NOT_STRUCTURAL & node.keys()] == []
    assert [
        path for path, node in NODES if "type" not in node and "x-kubernetes-int-or-string" not in node
    ] == []
    assert [path for path, node in NODES if node.get("type") == "null"] == []


def test_no_schema_keeps_unknown_fields() -> None:
    assert [path for path, node in NODES if "x-kubernetes-preserve-unknown-fields" in node] == []


@pytest.mark.parametrize(
    ("type_", "bounds"),
    [
        ("string", {"maxLength", "enum", "format"}),
        ("array", {"maxItems"}),
    ],
)
def test_everything_that_can_grow_is_bounded(type_: str, bounds: set[str]) -> None:
    assert [path for path, node in OWN if node.get("type") == type_ and not bounds & node.keys()] == []


def test_every_map_is_bounded() -> None:
    maps = [(path, node) for path, node in NODES if "additionalProperties" in node]
    assert maps
    assert [path for path, node in maps if "maxProperties" not in node] == []


def test_every_number_or_string_is_bounded_as_both() -> None:
    either = [node for _, node in NODES if node.get("x-kubernetes-int-or-string")]
    assert either
    for node in either:
        assert {"pattern", "maxLength", "minimum", "maximum"} <= node.keys()
        assert "type" not in node


def test_every_pattern_binds_the_whole_value() -> None:
    patterns = [node["pattern"] for _, node in NODES if "pattern" in node]
    assert [pattern for pattern in patterns if not (pattern[0] == "^" and pattern[-1] == "$")] == []


def test_kubectl_explains_every_field() -> None:
    # Of items and values it shows a description only where these are objects.
    explained = [(path, node) for path, node in OWN if path[-1] not in "]}" or "properties" in node]
    assert len(explained) > 150
    assert [path for path, node in explained if not node.get("description", "").endswith(".")] == []


@pytest.mark.parametrize("plural", CRDS)
def test_every_kind_has_what_kubectl_shows_and_waits_for(plural: str) -> None:
    names = CRDS[plural]["spec"]["names"]
    (version,) = CRDS[plural]["spec"]["versions"]
    assert CRDS[plural]["metadata"]["name"] == f"{plural}.devserver.io"
    assert names["categories"] == ["devserver-io"]
    assert names["shortNames"][0].startswith("dvs")
    assert version["subresources"] == {"status": {}}
    assert {"Ready", "Age"} <= {column["name"] for column in version["additionalPrinterColumns"]}
    conditions = root(plural)["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def rules() -> dict[str, str]:
    """CEL by message, of all kinds."""
    return {
        rule["message"]: rule["rule"]
        for _, node in NODES
        for rule in node.get("x-kubernetes-validations", [])
    }


def test_every_rule_is_broken_by_one_of_the_invalid_cases() -> None:
    broken = {case.message for case in cases("invalid")}

    def is_broken(message: str) -> bool:
        # A refusal that names what is at fault begins with the rule's message.
        return any(part in message or part.startswith(message) for part in broken)

    assert [message for message in rules() if not is_broken(message)] == []
