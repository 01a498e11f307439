"""What the program of a DevServerUser declares."""

from functools import partial

import pytest

from stacks import user
from stacks.metadata import owner_hash
from stacks.user import DevServerUserInputs
from tests.builders import user_inputs
from tests.declared import Stack, declared

QUOTAS = {
    "resourceQuotaSpec": {"hard": {"requests.cpu": "4", "pods": 10}},
    "limitRangeSpec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "4"}}]},
}
ROLES = [{"kind": "ClusterRole", "name": "view"}, {"kind": "Role", "name": "view"}]


def declare(inputs: DevServerUserInputs) -> Stack:
    return declared(partial(user.program, inputs))


@pytest.mark.parametrize(
    "inputs",
    [
        user_inputs(),
        user_inputs(quotas=QUOTAS),
        user_inputs(rbac={"additionalRoleRefs": ROLES}),
        user_inputs(quotas=QUOTAS, rbac={"additionalRoleRefs": ROLES}, deletionPolicy="Delete"),
    ],
    ids=["plain", "with quotas", "with roles", "with everything"],
)
def test_the_program_declares_exactly_the_children_it_announces(inputs: DevServerUserInputs) -> None:
    announced = user.children(inputs)
    objects = declare(inputs).objects.values()
    for child in announced:
        assert sum(item.is_child(child) for item in objects) == 1, child
    assert len(objects) == len(announced)


def test_logical_names_are_what_states_in_clusters_hold() -> None:
    """A renamed resource is deleted and created by the engine: never change these without an alias."""
    assert set(declare(user_inputs(quotas=QUOTAS, rbac={"additionalRoleRefs": ROLES})).objects) == {
        "namespace",
        "service-account",
        "binding-clusterrole.devserver-user",
        "binding-clusterrole.view",
        "binding-role.view",
        "quota",
        "limits",
    }


@pytest.mark.parametrize(("policy", "retained"), [("Retain", True), ("Delete", False)])
def test_the_namespace_stays_if_the_policy_says_so(policy: str, retained: bool) -> None:
    namespace = declare(user_inputs(deletionPolicy=policy)).objects["namespace"]
    assert namespace.retain_on_delete is retained


def test_the_namespace_names_the_user_and_outlives_the_resource() -> None:
    namespace = declare(user_inputs()).objects["namespace"]
    assert namespace.metadata["name"] == "dev-ada"
    assert namespace.metadata["labels"] == {
        "app.kubernetes.io/managed-by": "devserver-reconciler",
        "devserver.io/owner-hash": owner_hash("ada"),
        "devserver.io/user": "ada",
    }
    assert namespace.metadata["annotations"]["devserver.io/retained-by"] == "devserveruser..ada-lovelace"
    assert "ownerReferences" not in namespace.metadata


def test_everything_else_lies_in_the_namespace_and_comes_after_it() -> None:
    objects = declare(user_inputs(quotas=QUOTAS)).objects
    namespace = objects.pop("namespace")
    for item in objects.values():
        assert item.metadata["namespace"] == "dev-ada"
        assert item.dependencies == (namespace.name,)
        assert item.metadata["ownerReferences"][0]["name"] == "ada-lovelace"


def test_rights_are_bound_to_the_person_and_to_the_service_account() -> None:
    binding = declare(user_inputs()).objects["binding-clusterrole.devserver-user"].inputs
    assert binding["kind"] == "RoleBinding"
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "devserver-user",
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "ada", "namespace": "dev-ada"},
        {"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"},
    ]


def test_no_right_is_ever_bound_for_the_whole_cluster() -> None:
    inputs = user_inputs(rbac={"additionalRoleRefs": ROLES})
    assert not any(child.kind == "ClusterRoleBinding" for child in user.children(inputs))


def test_a_role_that_is_named_twice_is_bound_once() -> None:
    inputs = user_inputs(rbac={"additionalRoleRefs": [ROLES[0], ROLES[0]]})
    bindings = [child.name for child in user.children(inputs) if child.kind == "RoleBinding"]
    assert bindings == ["clusterrole.devserver-user", "clusterrole.view"]


def test_quotas_reach_the_namespace_as_they_were_given() -> None:
    objects = declare(user_inputs(quotas=QUOTAS)).objects
    assert objects["quota"].inputs["spec"] == {"hard": {"requests.cpu": "4", "pods": "10"}}
    (limit,) = objects["limits"].inputs["spec"]["limits"]
    assert limit["type"] == "Container"
    assert limit["default"] == {"cpu": "1"}
    assert limit["max"] == {"cpu": "4"}
