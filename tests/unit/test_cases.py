"""The models judge the manifests in tests/cases/ as the API server does (tests/engine/test_admission.py)."""

from typing import Any

import pytest
from pydantic import ValidationError

from crds.base import CustomResource
from tests.builders import MODELS
from tests.case_files import Case, cases

VALID, INVALID = cases("valid"), cases("invalid")


def parse(document: dict[str, Any]) -> CustomResource:
    return MODELS[document["kind"]].model_validate(document)


@pytest.mark.parametrize("case", VALID, ids=str)
def test_a_valid_manifest_is_parsed(case: Case) -> None:
    for document in case.documents:
        parse(document)


@pytest.mark.parametrize("case", [case for case in INVALID if not case.is_update], ids=str)
def test_an_invalid_manifest_is_refused(case: Case) -> None:
    with pytest.raises(ValidationError):
        parse(case.documents[0])


@pytest.mark.parametrize("case", [case for case in INVALID if case.is_update], ids=str)
def test_a_refused_update_is_between_two_states_that_are_valid_by_themselves(case: Case) -> None:
    for document in case.documents:
        parse(document)


def test_there_are_enough_cases_of_every_kind() -> None:
    for model in MODELS:
        assert any(case.documents[0]["kind"] == model for case in VALID)
        assert any(case.documents[0]["kind"] == model for case in INVALID)
    assert len(VALID) >= 25
    assert len(INVALID) >= 60


def test_every_invalid_case_names_the_expected_message() -> None:
    assert [case.name for case in INVALID if not case.message] == []
