"""What the program of a DevServerUser declares."""

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crds import DevServerUserSpec
from crds.user import RoleRef, is_never_given
from stacks import user
from stacks.metadata import Child, owner_hash
from stacks.user import DevServerUserInputs
from tests.builders import user_inputs
from tests.declared import Declared, declared

QUOTAS = {
    "resourceQuotaSpec": {"hard": {"requests.cpu": "4", "pods": 10}},
    "limitRangeSpec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "4"}}]},
}
ROLES = [{"kind": "ClusterRole", "name": "view"}, {"kind": "Role", "name": "view"}]

RBAC, NETWORKING = "rbac.authorization.k8s.io/v1", "networking.k8s.io/v1"
ALWAYS = {
    Child("v1", "Namespace", "", "dev-ada", retained=True),
    Child("v1", "ServiceAccount", "dev-ada", "ada"),
    Child(NETWORKING, "NetworkPolicy", "dev-ada", "devserver-default-deny", retained=True),
    Child(NETWORKING, "NetworkPolicy", "dev-ada", "devserver-ssh"),
    Child(RBAC, "RoleBinding", "dev-ada", "clusterrole.devserver-user"),
}
QUOTA = Child("v1", "ResourceQuota", "dev-ada", "devserver-quota")
LIMITS = Child("v1", "LimitRange", "dev-ada", "devserver-limits")
VIEWS = [Child(RBAC, "RoleBinding", "dev-ada", f"{kind}.view") for kind in ("clusterrole", "role")]


def declare(inputs: DevServerUserInputs) -> Declared:
    return declared(user.program(inputs))


@pytest.mark.parametrize(
    ("inputs", "optional"),
    [
        (user_inputs(), set()),
        (user_inputs(quotas=QUOTAS), {QUOTA, LIMITS}),
        (user_inputs(rbac={"additionalRoleRefs": ROLES}), set(VIEWS)),
        (
            user_inputs(quotas=QUOTAS, rbac={"additionalRoleRefs": ROLES}, deletionPolicy="Delete"),
            {QUOTA, LIMITS, *VIEWS},
        ),
    ],
    ids=["plain", "with quotas", "with roles", "with everything"],
)
def test_the_children_are_those_that_the_spec_asks_for(
    inputs: DevServerUserInputs, optional: set[Child]
) -> None:
    children = user.program(inputs).children
    assert set(children) == {*ALWAYS, *optional}
    assert len(children) == len(ALWAYS) + len(optional)


def test_logical_names_are_what_states_in_clusters_hold() -> None:
    """A renamed resource is deleted and created by the engine: never change these without an alias."""
    assert set(declare(user_inputs(quotas=QUOTAS, rbac={"additionalRoleRefs": ROLES}))) == {
        "namespace",
        "service-account",
        "default-deny",
        "ssh",
        "binding-clusterrole.devserver-user",
        "binding-clusterrole.view",
        "binding-role.view",
        "quota",
        "limits",
    }


@pytest.mark.parametrize(
    ("policy", "retained"), [("Retain", {"namespace", "default-deny"}), ("Delete", set())]
)
def test_the_namespace_and_what_shuts_it_off_stay_if_the_policy_says_so(
    policy: str, retained: set[str]
) -> None:
    objects = declare(user_inputs(deletionPolicy=policy, quotas=QUOTAS))
    assert {name for name, item in objects.items() if item.retain_on_delete} == retained


@pytest.mark.parametrize("name", ["namespace", "default-deny"])
def test_what_may_be_retained_says_whose_it_is_and_has_no_owner_to_end_with(name: str) -> None:
    item = declare(user_inputs())[name]
    assert item.metadata["labels"]["app.kubernetes.io/managed-by"] == "devserver-reconciler"
    assert item.metadata["labels"]["devserver.io/owner-hash"] == owner_hash("ada")
    assert item.metadata["annotations"]["devserver.io/retained-by"] == "devserveruser..ada-lovelace"
    assert "devserver.io/uid" not in item.metadata["labels"]
    assert "ownerReferences" not in item.metadata


def test_the_namespace_names_the_user_and_takes_only_pods_that_keep_to_the_baseline() -> None:
    namespace = declare(user_inputs())["namespace"]
    assert namespace.metadata["name"] == "dev-ada"
    assert namespace.metadata["labels"] | {"devserver.io/user": "ada"} == namespace.metadata["labels"]
    assert namespace.metadata["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def test_everything_else_lies_in_the_namespace_and_comes_after_it() -> None:
    objects = declare(user_inputs(quotas=QUOTAS))
    namespace = objects.pop("namespace")
    for item in objects.values():
        assert item.metadata["namespace"] == "dev-ada"
        assert namespace.name in item.depends_on
        if not item.retain_on_delete:
            assert item.metadata["ownerReferences"][0]["name"] == "ada-lovelace"


def test_rights_come_after_the_bounds_and_so_go_before_them() -> None:
    objects = declare(user_inputs(quotas=QUOTAS, rbac={"additionalRoleRefs": ROLES}))
    rights = [item for name, item in objects.items() if name.startswith(("binding-", "service-account"))]
    assert len(rights) == 4
    for item in rights:
        assert {"default-deny", "ssh", "quota", "limits"} <= set(item.depends_on)


def test_nothing_gets_into_the_namespace_but_ssh_to_devservers() -> None:
    objects = declare(user_inputs())
    assert objects["default-deny"].manifest["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert objects["ssh"].manifest["spec"] == {
        "podSelector": {"matchExpressions": [{"key": "devserver.io/name", "operator": "Exists"}]},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 2222, "protocol": "TCP"}]}],
    }


def test_rights_are_bound_to_the_person_and_to_the_service_account() -> None:
    binding = declare(user_inputs())["binding-clusterrole.devserver-user"].manifest
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
    assert not any(child.kind == "ClusterRoleBinding" for child in user.program(inputs).children)


def test_a_role_that_is_named_twice_is_bound_once() -> None:
    inputs = user_inputs(rbac={"additionalRoleRefs": [ROLES[0], ROLES[0]]})
    bindings = [child.name for child in user.program(inputs).children if child.kind == "RoleBinding"]
    assert bindings == ["clusterrole.devserver-user", "clusterrole.view"]


def valid(field: Any) -> st.SearchStrategy[str]:
    """Values that the field's own pattern and length allow."""
    schema = TypeAdapter(field.rebuild_annotation()).json_schema()
    longest = schema["maxLength"]
    return st.from_regex(schema["pattern"], fullmatch=True).map(lambda text: text[:longest].strip("-."))


@given(
    username=valid(DevServerUserSpec.model_fields["username"]).filter(
        lambda name: name not in ("", "default")
    ),
    role=valid(RoleRef.model_fields["name"]).filter(lambda name: name and not is_never_given(name)),
)
def test_every_valid_username_and_role_gives_valid_names(username: str, role: str) -> None:
    assume(not re.search(r"[.-]{2}", role))
    inputs = user_inputs(
        username=username, rbac={"additionalRoleRefs": [{"kind": "ClusterRole", "name": role}]}
    )
    for child in user.program(inputs).children:
        assert child.namespace in ("", f"dev-{username}")
        longest = 253 if child.kind in ("RoleBinding", "ServiceAccount") else 63
        assert len(child.name) <= longest
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", child.name)


def test_quotas_reach_the_namespace_as_they_were_given() -> None:
    objects = declare(user_inputs(quotas=QUOTAS))
    assert objects["quota"].manifest["spec"] == {"hard": {"requests.cpu": "4", "pods": "10"}}
    (limit,) = objects["limits"].manifest["spec"]["limits"]
    assert limit["type"] == "Container"
    assert limit["default"] == {"cpu": "1"}
    assert limit["max"] == {"cpu": "4"}
