"""The generated CustomResourceDefinitions, and that they say what the models say."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds import __main__ as command
from crds import devserver, fields
from crds.rules import Rule
from crds.schema import definitions
from tests.case_files import cases
from tests.structural import whole

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


# --- the manifests in the repository


def test_the_manifests_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["crds", "--check"])
    assert command.main() == 0


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of manifests, just written."""
    monkeypatch.setattr(command, "MANIFESTS", tmp_path / "manifests")
    monkeypatch.setattr(sys, "argv", ["crds"])
    assert command.main() == 0
    return tmp_path / "manifests"


def check(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["crds", "--check"])
    return command.main()


def test_check_is_content_with_what_was_just_written(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch) == 0


@pytest.mark.parametrize("change", ["edited", "removed", "added"])
def test_check_finds_a_manifest_that_was(
    change: str, written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written / "devservers.yaml"
    if change == "edited":
        file.write_text(file.read_text().replace("maxLength: 253", "maxLength: 254", 1))
    elif change == "removed":
        file.unlink()
    else:
        file = written / "others.yaml"
        file.write_text("kind: CustomResourceDefinition\n")
    before = {path: path.read_text() for path in written.iterdir()}
    assert check(monkeypatch) == 1
    assert file.name in capsys.readouterr().err
    assert {path: path.read_text() for path in written.iterdir()} == before, "--check must not write"


def test_writing_removes_what_is_not_generated_any_more(written: Path) -> None:
    (written / "others.yaml").write_text("")
    assert command.main() == 0
    assert not (written / "others.yaml").exists()


# --- one expression, two engines


def near(pattern: re.Pattern[str]) -> st.SearchStrategy[str]:
    """Strings that match, strings that nearly do, and any others."""
    matching = st.from_regex(pattern)
    spoiled = st.tuples(matching, st.sampled_from(["\n", "\x00", "\u202e", " ", "-", "Ä", ".", "/"]))
    return st.one_of(
        matching,
        spoiled.map("".join),
        spoiled.map(lambda pair: pair[1] + pair[0]),
        st.text(max_size=40),
    )


def cel_patterns(rule: Rule) -> list[re.Pattern[str]]:
    return [whole(text.replace("\\\\", "\\")) for text in re.findall(r"matches\('([^']*)'\)", rule.cel)]


@given(data=st.data())
def test_models_and_cel_agree_on_keys_of_maps(data: st.DataObject) -> None:
    rule = fields.keys_rule("no name")
    (pattern,) = cel_patterns(rule)
    key = data.draw(near(pattern))
    assert rule.holds is not None
    assert rule.holds({key: "x"}) is (pattern.match(key) is not None and len(key) <= 317)


@given(data=st.data())
def test_models_and_cel_agree_on_names_of_devservers(data: st.DataObject) -> None:
    _, characters, suffixes = devserver.DevServer.name_rules
    (allowed,), (reserved,) = cel_patterns(characters), cel_patterns(suffixes)
    plain = st.from_regex(allowed)
    suffixed = st.tuples(plain, st.sampled_from(["-ssh", "-sshd", "-home", "-hostkeys", "-x", "ssh"]))
    name = data.draw(st.one_of(near(allowed), suffixed.map("".join)))
    expected = allowed.match(name) is not None and reserved.search(name) is None and len(name) <= 52
    assert devserver.is_valid_name(name) is expected
