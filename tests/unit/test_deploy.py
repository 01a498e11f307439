"""The manifests in deploy/ fit the code: rights, and the kinds that the admission policy guards."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from crds.resources import CHILDREN, POD, Resource
from stacks.user import USER_CLUSTER_ROLE
from tests.e2e import rights

DEPLOY = Path(__file__).parents[2] / "deploy"
Manifest = dict[str, Any]


def manifests(file: str, kind: str) -> dict[str, Manifest]:
    """Those of the kind, by name."""
    found = (doc for doc in yaml.safe_load_all((DEPLOY / file).read_text()) if doc["kind"] == kind)
    return {doc["metadata"]["name"]: doc for doc in found}


CLUSTER_ROLES = manifests("roles.yaml", "ClusterRole")
ROLES = {**CLUSTER_ROLES, **manifests("roles.yaml", "Role")}


def verbs_by_resource(role: Manifest) -> dict[tuple[str, str], set[str]]:
    """What the role allows, named resources aside."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        if "resourceNames" not in rule:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def group_of(resource: Resource) -> str:
    return resource.api_version.partition("/")[0] if "/" in resource.api_version else ""


def test_users_have_the_table_of_rights() -> None:
    assert verbs_by_resource(CLUSTER_ROLES[USER_CLUSTER_ROLE]) == rights.OWN


@pytest.mark.parametrize("name", ROLES)
def test_no_role_that_is_shipped_reaches_for_everything(name: str) -> None:
    for rule in ROLES[name]["rules"]:
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert not words & {"*", "escalate", "impersonate", "clusterrolebindings"}


@pytest.mark.parametrize("resource", CHILDREN, ids=lambda resource: resource.plural)
def test_the_reconciler_may_make_every_kind_of_child(resource: Resource) -> None:
    allowed = verbs_by_resource(CLUSTER_ROLES["devserver-reconciler"])
    needed = {"get", "list", "watch", "create", "patch", "delete"}
    assert needed <= allowed[group_of(resource), resource.plural]


@pytest.mark.parametrize("resource", [*CHILDREN, POD], ids=lambda resource: resource.plural)
def test_the_policy_guards_every_kind_of_child(resource: Resource) -> None:
    policy = manifests("admission.yaml", "ValidatingAdmissionPolicy")["devserver-managed-objects"]
    guarded = {
        (group, plural)
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        if {"UPDATE", "DELETE"} <= set(rule["operations"])
    }
    assert (group_of(resource), resource.plural) in guarded


def test_every_policy_is_bound_and_denies() -> None:
    bindings = manifests("admission.yaml", "ValidatingAdmissionPolicyBinding").values()
    denied = {
        item["spec"]["policyName"] for item in bindings if item["spec"]["validationActions"] == ["Deny"]
    }
    policies = manifests("admission.yaml", "ValidatingAdmissionPolicy")
    assert denied == policies.keys()
    assert all(policy["spec"]["failurePolicy"] == "Fail" for policy in policies.values())
