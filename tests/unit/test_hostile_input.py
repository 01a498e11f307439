"""Whatever stands in a string field: models and schema agree on it, and a refusal is one plain line."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.controller.desired import parsed
from reconciler.status import reasons
from reconciler.status.errors import StalledError
from tests.builders import MODELS
from tests.case_files import cases
from tests.strategies import Place, full, manifests, places, string_fields, strings
from tests.structural import SCHEMAS, Schema, faults

KINDS = list(MODELS)
PLACES = [place for kind in KINDS for place in places(kind)]
SOME = settings(max_examples=30)


def refusal(manifest: dict[str, Any]) -> ValidationError | None:
    """Why the model refuses it. Whatever else it raises fails the test."""
    try:
        MODELS[manifest["kind"]].model_validate(manifest)
    except ValidationError as error:
        return error
    return None


def rules(node: Any) -> set[str]:
    """The messages of all CEL rules below a schema's node."""
    if isinstance(node, list):
        return set().union(*map(rules, node))
    if not isinstance(node, dict):
        return set()
    here = {rule["message"] for rule in node.get("x-kubernetes-validations", [])}
    return here.union(*map(rules, node.values()))


RULES = {kind: rules(schema) for kind, schema in SCHEMAS.items()}
# Of the API server itself, for every kind.
RULES_ON_NAMES = {"metadata.name must be a lowercase RFC 1123 subdomain"}


# --- every string field


@pytest.mark.parametrize("kind", KINDS)
def test_every_string_field_has_a_strategy(kind: str) -> None:
    assert {place.field for place in places(kind)} == string_fields(kind)


def spoiled(manifest: dict[str, Any], message: str) -> set[str]:
    """The string fields that a manifest breaks a rule of the schema in, by strings."""
    kind, spec = manifest["kind"], manifest.get("spec")
    broken = {fault.field for fault in faults(kind, manifest) if fault.word in ("pattern", "enum", "length")}
    if "metadata.name" in message or "RFC 1123" in message:
        broken.add("metadata.name")
    return broken | {f"{field}{{key}}" for field in _maps_with_a_bad_key(SCHEMAS[kind], spec, message)}


def _maps_with_a_bad_key(schema: Schema, spec: Any, message: str) -> set[str]:
    found = set()

    def walk(node: Schema, value: Any, field: str) -> None:
        said = [rule["message"] for rule in node.get("x-kubernetes-validations", [])]
        if "additionalProperties" in node and any(text.startswith(message) for text in said):
            found.add(field)
        if isinstance(value, dict):
            for name, inner in node.get("properties", {}).items():
                if name in value:
                    walk(inner, value[name], f"{field}.{name}")
        elif isinstance(value, list) and "items" in node:
            for item in value:
                walk(node["items"], item, f"{field}[]")

    walk(schema["properties"]["spec"], spec, "spec")
    return found


def test_every_string_field_has_hostile_cases() -> None:
    hostile = Counter(
        f"{case.documents[0]['kind']}.{field}"
        for case in cases("invalid")
        if not case.is_update
        for field in spoiled(case.documents[0], case.message)
    )
    assert [str(place) for place in PLACES if not hostile[str(place)]] == []


def test_there_are_hundreds_of_hostile_cases_and_no_two_alike() -> None:
    assert len(cases("invalid")) >= 300
    assert len(cases("valid")) >= 100
    told = Counter(str(case.documents) for case in cases("invalid"))
    assert [text for text, times in told.items() if times > 1] == []


# --- models and schema


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_the_model_allows_in_a_string_field_what_the_schema_allows(place: Place) -> None:
    @SOME
    @given(strings(place))
    def agree(text: str) -> None:
        manifest = full(place.kind)
        place.put(manifest, text)
        assert_agreed(manifest)

    agree()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100)
@given(data=st.data())
def test_the_model_allows_what_the_schema_allows(kind: str, data: st.DataObject) -> None:
    assert_agreed(data.draw(manifests(kind)))


def assert_agreed(manifest: dict[str, Any]) -> None:
    """The model accepts what the schema allows, but for the rules that the schema holds as CEL."""
    refused, broken = refusal(manifest), faults(manifest["kind"], manifest)
    if broken:
        assert refused is not None, broken
    elif refused is not None:
        said = {item["msg"].removeprefix("Value error, ") for item in refused.errors()}
        assert said <= RULES[manifest["kind"]] | RULES_ON_NAMES, said


@pytest.mark.parametrize(
    "value", [None, True, 0, 0.5, "", "spec", [], [1], {1: 2}, {"spec": None}, {"metadata": []}], ids=repr
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_resource_at_all_is_refused_and_nothing_else_happens(kind: str, value: Any) -> None:
    for manifest in (value, {**full(kind), "spec": value}, {**full(kind), "metadata": value}):
        with pytest.raises(ValidationError):
            MODELS[kind].model_validate(manifest)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_the_message_about_a_spec_that_is_no_good_is_short_and_plain(kind: str, data: st.DataObject) -> None:
    manifest = data.draw(manifests(kind))
    assume(refusal(manifest) is not None)
    with pytest.raises(StalledError) as refused:
        parsed(MODELS[kind], manifest)
    assert refused.value.reason == reasons.INVALID_SPEC
    assert 0 < len(refused.value.message) <= 1000
    assert refused.value.message.isprintable()
