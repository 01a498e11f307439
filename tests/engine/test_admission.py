"""The API server judges the manifests in tests/cases/ as the models do (tests/unit/test_cases.py)."""

import json
import secrets
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import config
from kubernetes.client import ApiException, CustomObjectsApi
from pydantic import ValidationError

from crds import API_VERSION
from crds.base import Model
from tests import builders
from tests.builders import MODELS, NAMESPACED
from tests.case_files import Case, Text, cases, unreadable
from tests.shared_cluster import SharedCluster
from tests.strategies import manifests

pytestmark = pytest.mark.cluster

Manifest = dict[str, Any]
MEGABYTE = "a" * 2**20


class Api:
    """Custom resources as the administrator. Unknown fields are errors, as they are for kubectl."""

    def __init__(self, objects: CustomObjectsApi, namespace: str) -> None:
        self._objects = objects
        self._namespace = namespace

    def create(self, manifest: Manifest, dry_run: bool = True) -> Manifest:
        return self._call("create", manifest, {}, dry_run)

    def replace(self, manifest: Manifest) -> Manifest:
        return self._call("replace", manifest, {"name": manifest["metadata"]["name"]}, dry_run=True)

    def delete(self, manifest: Manifest) -> None:
        self._call("delete", manifest, {"name": manifest["metadata"]["name"]}, dry_run=False)

    def create_text(self, text: str) -> None:
        """A DevServer's manifest as the file has it, for the API server to read."""
        where = f"/apis/{API_VERSION}/namespaces/{self._namespace}/devservers"
        client = self._objects.api_client
        request = client.param_serialize(
            "POST",
            where,
            query_params=[("dryRun", "All"), ("fieldValidation", "Strict")],
            header_params={"Content-Type": "application/yaml", "Accept": "application/json"},
            body=text,
            auth_settings=["BearerToken"],
        )
        answer = client.call_api(*request)
        answer.read()
        client.response_deserialize(answer, {"default": "object"})

    def _call(self, verb: str, manifest: Manifest, where: dict[str, str], dry_run: bool) -> Manifest:
        group, version = manifest["apiVersion"].split("/")
        where |= {"group": group, "version": version, "plural": f"{manifest['kind'].lower()}s"}
        scope = "cluster"
        if manifest["kind"] in NAMESPACED:
            scope, where["namespace"] = "namespaced", self._namespace
        options = {"body": manifest, "field_validation": "Strict"} if verb != "delete" else {}
        if dry_run:
            options["dry_run"] = "All"
        answer: Manifest = getattr(self._objects, f"{verb}_{scope}_custom_object")(**where, **options)
        return answer


@pytest.fixture(autouse=True)
def _collect_event_loops() -> None:
    """No engine is started here, and there are a thousand tests."""


@pytest.fixture(scope="module")
def api(cluster: SharedCluster) -> Iterator[Api]:
    with config.new_client_from_config(config_file=str(cluster.admin)) as client:
        yield Api(CustomObjectsApi(client), "default")


def judge(api: Api, case: Case) -> Manifest:
    """What the API server would store; nothing stays behind. Raises ApiException if it refuses."""
    if not case.is_update:
        return api.create(case.documents[0])
    before, after = map(deepcopy, case.documents)
    name = before["metadata"]["name"] = after["metadata"]["name"] = f"case-{secrets.token_hex(4)}"
    made = api.create(before, dry_run=False)
    assert made["metadata"]["name"] == name
    try:
        after["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        return api.replace(after)
    finally:
        api.delete(before)


def message_of(refused: ApiException) -> str:
    return str(json.loads(refused.body)["message"])


@pytest.mark.parametrize("case", cases("valid"), ids=str)
def test_a_valid_manifest_is_admitted_and_means_the_same_to_the_models(api: Api, case: Case) -> None:
    stored, given = judge(api, case), case.documents[-1]
    model = MODELS[given["kind"]]
    assert model.model_validate(stored).spec == model.model_validate(given).spec


@pytest.mark.parametrize("case", cases("invalid"), ids=str)
def test_an_invalid_manifest_is_refused_with_a_message_that_names_the_field(api: Api, case: Case) -> None:
    with pytest.raises(ApiException) as refused:
        judge(api, case)
    assert case.message in message_of(refused.value)


@pytest.mark.parametrize("file", unreadable(), ids=str)
def test_what_no_reader_may_take_for_a_manifest_is_refused(api: Api, file: Text) -> None:
    with pytest.raises(ApiException) as refused:
        api.create_text(file.text)
    assert file.message in message_of(refused.value)


@pytest.mark.parametrize("case", [case for case in cases("valid") if "-yaml-" in case.name], ids=str)
def test_a_file_means_the_same_to_the_api_server_as_to_us(api: Api, case: Case) -> None:
    api.create_text(case.text)


@pytest.mark.parametrize("kind", MODELS)
@hypothesis.settings(max_examples=100)
@given(data=st.data())
def test_the_models_and_the_api_server_agree_on_any_manifest(
    api: Api, kind: str, data: st.DataObject
) -> None:
    manifest = data.draw(manifests(kind))
    assert accepted_spec(manifest) == admitted_spec(api, manifest)


def accepted_spec(manifest: Manifest) -> Model | None:
    try:
        return MODELS[manifest["kind"]].model_validate(manifest).spec
    except ValidationError:
        return None


def admitted_spec(api: Api, manifest: Manifest) -> Model | None:
    try:
        stored = api.create(manifest)
    except ApiException as refused:
        if refused.status in (400, 422):
            return None
        raise
    return accepted_spec(stored)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("DevServer", {"owner": MEGABYTE}),
        ("DevServer", {"flavor": MEGABYTE}),
        ("DevServer", {"image": MEGABYTE}),
        ("DevServer", {"ssh": {"publicKey": f"ssh-rsa {MEGABYTE}"}}),
        ("DevServer", {"lifecycle": {"timeToLive": f"{MEGABYTE}h"}}),
        ("DevServer", {"env": [{"name": MEGABYTE}]}),
        ("DevServer", {"env": [{"name": "A", "value": MEGABYTE}]}),
        ("DevServer", {"volumes": [{"claimName": "data", "mountPath": f"/{MEGABYTE}"}]}),
        ("DevServer", {"volumes": [{"claimName": MEGABYTE, "mountPath": "/data"}]}),
        ("DevServer", {"home": {"size": MEGABYTE}}),
        ("DevServerFlavor", {"nodeSelector": {MEGABYTE: "x"}}),
        ("DevServerFlavor", {"nodeSelector": {"disk": MEGABYTE}}),
        ("DevServerFlavor", {"resources": {"requests": {MEGABYTE: "1"}}}),
        ("DevServerFlavor", {"resources": {"requests": {"cpu": MEGABYTE}}}),
        ("DevServerUser", {"username": MEGABYTE}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_string_of_a_megabyte_is_refused(api: Api, kind: str, spec: Manifest) -> None:
    manifest = builders.manifest(kind, namespace="default", **spec)
    with pytest.raises(ApiException) as refused:
        api.create(manifest)
    assert refused.value.status == 422
    with pytest.raises(ValidationError):
        MODELS[kind].model_validate(manifest)
