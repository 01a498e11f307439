"""Pulumi checkpoints as bytes."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.state import checkpoint
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Child
from tests.builders import owner, stack_id

Object = dict[str, Any]
NAMES = DevServerChildren.of(owner())
STACK = {"urn": "urn:stack", "type": "pulumi:pulumi:Stack"}
PROVIDER = {
    "urn": "urn:provider",
    "type": "pulumi:providers:kubernetes",
    "inputs": {"clusterIdentifier": "c"},
}
MARK = "4dabf18193072939515e22adb298388d"


def urn(child: Child) -> str:
    return f"urn:{child.kind}:{child.name}"


def entry(child: Child, **more: Any) -> Object:
    """The resource of a child as Pulumi records it."""
    metadata: Object = {"name": child.name, "namespace": child.namespace}
    if child.retained:
        metadata["annotations"] = {"devserver.io/retained-by": "devserver.dev-ada.box"}
    inputs = {"apiVersion": child.api_version, "kind": child.kind, "metadata": metadata}
    return {
        "urn": urn(child),
        "type": f"kubernetes:{child.api_version}:{child.kind}",
        "inputs": inputs | more.pop("inputs", {}),
        **more,
    }


def state(*resources: Object, stack: str = stack_id().stack, **latest: Any) -> bytes:
    """The checkpoint of a stack that holds these resources."""
    deployment = {"resources": [STACK, PROVIDER, *resources], **latest}
    full_name = f"organization/devserver/{stack}"
    return json.dumps({"version": 3, "checkpoint": {"stack": full_name, "latest": deployment}}).encode()


def resources(of: bytes) -> list[Object]:
    found: list[Object] = json.loads(of)["checkpoint"]["latest"]["resources"]
    return found


def test_an_empty_checkpoint_names_its_stack_and_has_no_children() -> None:
    empty = checkpoint.empty("devserver-123")
    assert json.loads(empty)["checkpoint"]["stack"] == "organization/devserver/devserver-123"
    assert checkpoint.children(empty) == frozenset()
    assert checkpoint.contents(empty).salt is None


def test_children_are_the_kubernetes_objects() -> None:
    assert checkpoint.children(state(entry(NAMES.sshd), entry(NAMES.home))) == {NAMES.sshd, NAMES.home}


def test_a_cluster_scoped_child_has_no_namespace() -> None:
    namespace = Child("v1", "Namespace", "", "dev-ada", retained=True)
    recorded = entry(namespace)
    del recorded["inputs"]["metadata"]["namespace"]
    assert checkpoint.children(state(recorded)) == {namespace}


@pytest.mark.parametrize(
    "resource",
    [
        STACK,
        PROVIDER,
        entry(NAMES.sshd, delete=True),
        {"urn": "u", "type": "kubernetes:core/v1:ConfigMap"},
        {"urn": "u", "type": "kubernetes:core/v1:ConfigMap", "inputs": {"metadata": {}}},
    ],
    ids=["the stack", "its provider", "what is to be deleted anyway", "no inputs", "no name"],
)
def test_what_is_no_child(resource: Object) -> None:
    assert checkpoint.children(state(resource)) == frozenset()


DAMAGED = {
    "empty": b"",
    "no JSON": b"\x00\xff",
    "no text": b"\xff\xfe",
    "cut short": state(entry(NAMES.sshd))[:-20],
    "null": b"null",
    "a list": b"[]",
    "a number": b"3",
    "no checkpoint": b"{}",
    "null for a checkpoint": b'{"checkpoint": null}',
    "a list for latest": b'{"checkpoint": {"latest": [1]}}',
    "resources that are no objects": b'{"checkpoint": {"latest": {"resources": [1, "x", null]}}}',
    "a resource without a type": b'{"checkpoint": {"latest": {"resources": [{"urn": "x"}]}}}',
    "inputs that are no object": b'{"checkpoint": {"latest": {"resources": [{"type": "kubernetes:x", "inputs": 3}]}}}',
    "an object without a kind": state({**entry(NAMES.sshd), "inputs": {"metadata": {"name": "x"}}}),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_bytes_are_a_value_error_and_nothing_else(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        checkpoint.children(damaged)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["checkpoint", "latest", "resources", "type", "inputs", "metadata", "name"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=50), JSON.map(lambda value: json.dumps(value).encode())))
def test_whatever_the_bytes_are_the_answer_is_children_or_a_value_error(content: bytes) -> None:
    try:
        found = checkpoint.children(content)
    except ValueError:
        return
    assert isinstance(found, frozenset)


def test_without_takes_out_the_object_and_every_reference_to_it() -> None:
    gone, kept = NAMES.sshd, NAMES.stateful_set
    before = state(
        entry(gone),
        entry(
            kept,
            dependencies=[urn(gone), "urn:provider"],
            propertyDependencies={"spec": [urn(gone)], "metadata": ["urn:provider"], "status": None},
        ),
    )
    after = checkpoint.without(before, lambda child: child == gone)
    assert checkpoint.children(after) == {kept}
    assert urn(gone) not in after.decode()
    (rest,) = [item for item in resources(after) if item["urn"] == urn(kept)]
    assert rest["dependencies"] == ["urn:provider"]
    assert rest["propertyDependencies"] == {"spec": [], "metadata": ["urn:provider"], "status": []}


def test_without_takes_out_what_was_recorded_under_the_name_twice() -> None:
    twice = state(entry(NAMES.sshd), entry(NAMES.sshd, urn="urn:another"))
    assert checkpoint.children(checkpoint.without(twice, lambda _: True)) == frozenset()


def test_without_keeps_the_stack_its_provider_and_everything_else() -> None:
    before = state(entry(NAMES.sshd), secrets_providers={"type": "passphrase", "state": {"salt": "v1:x"}})
    after = checkpoint.without(before, lambda _: True)
    assert resources(after) == [STACK, PROVIDER]
    assert checkpoint.contents(after).salt == "v1:x"


@pytest.mark.parametrize("before", [state(entry(NAMES.sshd)), checkpoint.empty("x")])
def test_without_changes_no_byte_where_nothing_is_to_go(before: bytes) -> None:
    assert checkpoint.without(before, lambda _: False) is before


def exported(child: Child, data: Any) -> Object:
    return {"version": 3, "deployment": {"resources": [STACK, PROVIDER, entry(child, inputs={"data": data})]}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(value: Any) -> Object:
    return {MARK: "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}


@pytest.mark.parametrize(
    "data",
    [
        {"key": encoded("PRIVATE")},
        secret({"key": encoded("PRIVATE")}),
        {"key": secret(encoded("PRIVATE"))},
        secret({"key": secret(encoded("PRIVATE"))}),
    ],
    ids=["plain", "wrapped as a whole", "wrapped one by one", "wrapped twice"],
)
def test_secret_data_is_unwrapped(data: Any) -> None:
    assert checkpoint.secret_data(exported(NAMES.host_keys, data), NAMES.host_keys) == {"key": "PRIVATE"}


def test_secret_data_of_what_is_not_recorded_is_none() -> None:
    assert checkpoint.secret_data(exported(NAMES.sshd, {}), NAMES.host_keys) is None
    assert checkpoint.secret_data({"deployment": {}}, NAMES.host_keys) is None


def test_a_secret_without_data_has_no_files() -> None:
    assert checkpoint.secret_data(exported(NAMES.host_keys, None), NAMES.host_keys) == {}
