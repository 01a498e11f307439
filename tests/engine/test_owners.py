"""Whose a DevServer is (the policy devserver-owners in deploy/admission.yaml), asked of the API server by dry runs.

Everyone here has the rights of devserver-user in both namespaces, so that the policy alone is what may refuse.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crds.resources import DEVSERVER, NAMESPACE, Resource
from reconciler.kube.client import JSON_PATCH, MERGE_PATCH
from tests import builders
from tests.e2e.kube import eventually
from tests.faults.kubeapi import Api, ApiError
from tests.shared_cluster import SharedCluster

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
BINDING = Resource(f"{RBAC}/v1", "RoleBinding", "rolebindings")
ROLE = Resource(f"{RBAC}/v1", "Role", "roles")
APPLY = "application/apply-patch+yaml"

ACCOUNT = "system:serviceaccount:dev-ada:ada"
RECONCILER = "system:serviceaccount:devserver-system:devserver-reconciler"
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
EMPTIER = "system:serviceaccount:kube-system:namespace-controller"
MANAGER = "system:kube-controller-manager"
ADMIN = ""  # nobody is impersonated
USERS = ("ada", "bob", "eve", "lead", "sweeper", ACCOUNT)


@dataclass
class Ground:
    """shared: a namespace that is nobody's in particular, where lead may assign-owner. own: ada's namespace."""

    kubeconfig: Path
    shared: str
    own: str
    _known: dict[str, Api] = field(default_factory=dict)

    def request(
        self, who: str, method: str, where: str, name: str, body: Any, type_: str = "application/json"
    ) -> str:
        """A dry run of a write. Empty if it was admitted, else what the API server said."""
        path = DEVSERVER.path(self.shared if where == "shared" else self.own, name)
        query = "?dryRun=All" + ("&fieldManager=test&force=true" if type_ == APPLY else "")
        if who not in self._known:
            self._known[who] = Api(self.kubeconfig, as_user=who)
        try:
            self._known[who].request(method, path + query, body, type_)
        except ApiError as error:
            return str(error)
        return ""


def devserver(name: str, owner: str) -> Object:
    return builders.manifest("DevServer", name, "", owner=owner, running=False)


@pytest.fixture(scope="module")
def ground(cluster: SharedCluster) -> Iterator[Ground]:
    api, names = Api(cluster.admin), [f"t-{secrets.token_hex(4)}" for _ in range(2)]
    for name, labels in zip(names, ({}, {"devserver.io/user": "ada"}), strict=True):
        api.create(NAMESPACE, {"metadata": {"name": name, "labels": labels}})
        give(api, name, "ClusterRole", "devserver-user", *USERS, MANAGER)
        for devserver_name, owner in (("adas", "ada"), ("bobs", "bob"), ("accounts", ACCOUNT)):
            made = devserver(devserver_name, owner)
            made["metadata"]["namespace"] = name
            api.create(DEVSERVER, made)
    shared = names[0]
    for role, verb, user in (("lead", "assign-owner", "lead"), ("sweep", "deletecollection", "sweeper")):
        rules = [{"apiGroups": ["devserver.io"], "resources": ["devservers"], "verbs": [verb]}]
        api.create(ROLE, {"metadata": {"name": role, "namespace": shared}, "rules": rules})
        give(api, shared, "Role", role, user)
    made = Ground(cluster.admin, *names)
    refused = devserver("new", "bob")
    eventually(lambda: made.request("ada", "POST", "shared", "", refused), "the policy is in force")
    yield made
    for name in names:
        api.delete(NAMESPACE, "", name)


def give(api: Api, namespace: str, kind: str, role: str, *users: str) -> None:
    """Bind the role to people and accounts in the namespace."""
    body = {
        "metadata": {"name": role, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user} for user in users],
    }
    api.create(BINDING, body)


def judge(answer: str) -> str:
    """Yes, or no if it was this policy (or the schema's rule on owners) that refused, and named the field."""
    if not answer:
        return "yes"
    assert answer.startswith(("403", "422"))
    assert "devserver-owners" in answer or "cannot be changed" in answer
    assert "spec.owner" in answer
    return "no"


# --- making one: who, where, for whom

CREATE = [
    ("ada", "shared", "ada", "yes"),
    ("ada", "shared", "bob", "no"),
    ("ada", "shared", "Ada", "no"),
    ("ada", "shared", "ada@example.com", "no"),
    ("ada", "shared", "ada.", "no"),
    ("ada", "shared", ACCOUNT, "no"),
    ("ada", "shared", "system:masters", "no"),
    (ACCOUNT, "shared", ACCOUNT, "yes"),
    (ACCOUNT, "shared", "ada", "no"),
    ("lead", "shared", "bob", "yes"),
    ("lead", "shared", "lead", "yes"),
    ("sweeper", "shared", "bob", "no"),
    (ADMIN, "shared", "user@example.com", "yes"),
    ("ada", "own", "ada", "yes"),
    (ACCOUNT, "own", "ada", "yes"),
    (ACCOUNT, "own", ACCOUNT, "yes"),
    ("ada", "own", "bob", "no"),
    (ACCOUNT, "own", "bob", "no"),
    ("bob", "own", "ada", "yes"),
    ("bob", "own", "bob", "yes"),
    ("bob", "own", "eve", "no"),
    ("lead", "own", "bob", "no"),
    (ADMIN, "own", "bob", "yes"),
]


@pytest.mark.parametrize(("who", "where", "owner", "expected"), CREATE)
def test_a_devserver_is_made_in_ones_own_name_or_in_that_of_the_namespace(
    ground: Ground, who: str, where: str, owner: str, expected: str
) -> None:
    body = devserver("new", owner)
    assert judge(ground.request(who, "POST", where, "", body)) == expected
    applied = ground.request(who, "PATCH", where, "new", body, APPLY)
    assert judge(applied) == expected, "server-side apply is no way around it"


def test_a_name_that_the_server_makes_up_is_no_way_around_it(ground: Ground) -> None:
    body = devserver("x", "bob")
    body["metadata"] = {"generateName": "new-"}
    assert judge(ground.request("ada", "POST", "shared", "", body)) == "no"


# --- changing one: who, where, whose, what

SPEC = {"spec": {"running": True}}
OWNER = {"spec": {"owner": "eve"}}
LABEL = {"metadata": {"labels": {"team": "blue"}}}
NOTE = {"metadata": {"annotations": {"note": "hello"}}}
NOTHING: Object = {}
FINALIZER = {"metadata": {"finalizers": ["example.com/mine"]}}
# What is owned by something that is not there, the garbage collector deletes.
ORPHAN = {
    "metadata": {
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "no-such-uid"}]
    }
}
UPDATE = [
    ("ada", "shared", "adas", SPEC, "yes"),
    ("ada", "shared", "bobs", SPEC, "no"),
    (ACCOUNT, "shared", "accounts", SPEC, "yes"),
    (ACCOUNT, "shared", "adas", SPEC, "no"),
    ("lead", "shared", "bobs", SPEC, "yes"),
    ("sweeper", "shared", "bobs", SPEC, "no"),
    (ADMIN, "shared", "bobs", SPEC, "yes"),
    ("ada", "shared", "bobs", LABEL, "yes"),
    ("ada", "shared", "bobs", NOTE, "yes"),
    ("ada", "shared", "bobs", NOTHING, "yes"),
    ("ada", "shared", "adas", FINALIZER, "yes"),
    ("ada", "shared", "bobs", FINALIZER, "no"),
    ("ada", "shared", "adas", ORPHAN, "yes"),
    ("ada", "shared", "bobs", ORPHAN, "no"),
    (RECONCILER, "shared", "bobs", FINALIZER, "yes"),
    (COLLECTOR, "shared", "bobs", ORPHAN, "yes"),
    ("ada", "own", "bobs", SPEC, "yes"),
    (ACCOUNT, "own", "adas", SPEC, "yes"),
    ("bob", "own", "adas", SPEC, "yes"),
    ("ada", "shared", "adas", OWNER, "no"),
    ("lead", "shared", "adas", OWNER, "no"),
    (ADMIN, "shared", "adas", OWNER, "no"),
    (RECONCILER, "shared", "adas", OWNER, "no"),
    ("ada", "own", "adas", OWNER, "no"),
]


@pytest.mark.parametrize(("who", "where", "whose", "change", "expected"), UPDATE)
def test_a_devserver_in_a_shared_namespace_is_changed_by_its_owner_or_an_administrator(
    ground: Ground, who: str, where: str, whose: str, change: Object, expected: str
) -> None:
    assert judge(ground.request(who, "PATCH", where, whose, change, MERGE_PATCH)) == expected


@pytest.mark.parametrize("how", ["replace", "apply", "patch of one value"])
def test_no_other_way_of_writing_gets_around_it(ground: Ground, how: str) -> None:
    body = devserver("bobs", "bob")
    body["spec"]["image"] = "evil:1"
    method, type_ = {
        "replace": ("PUT", "application/json"),
        "apply": ("PATCH", APPLY),
        "patch of one value": ("PATCH", JSON_PATCH),
    }[how]
    if how == "replace":
        live = Api(ground.kubeconfig).get(DEVSERVER, ground.shared, "bobs") or {}
        body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    change: Any = (
        [{"op": "replace", "path": "/spec/image", "value": "evil:1"}] if type_ == JSON_PATCH else body
    )
    assert judge(ground.request("ada", method, "shared", "bobs", change, type_)) == "no"
    assert judge(ground.request("bob", method, "shared", "bobs", change, type_)) == "yes"


# --- deleting one: who, where, whose

DELETE = [
    ("ada", "shared", "adas", "yes"),
    ("ada", "shared", "bobs", "no"),
    (ACCOUNT, "shared", "adas", "no"),
    ("lead", "shared", "bobs", "yes"),
    (ADMIN, "shared", "bobs", "yes"),
    (RECONCILER, "shared", "bobs", "yes"),
    (COLLECTOR, "shared", "bobs", "yes"),
    (EMPTIER, "shared", "bobs", "yes"),
    (MANAGER, "shared", "bobs", "yes"),
    ("sweeper", "shared", "", "no"),
    ("ada", "own", "bobs", "yes"),
    (ACCOUNT, "own", "adas", "yes"),
    ("bob", "own", "adas", "yes"),
]


@pytest.mark.parametrize(("who", "where", "whose", "expected"), DELETE)
def test_a_devserver_in_a_shared_namespace_is_deleted_by_its_owner_or_an_administrator(
    ground: Ground, who: str, where: str, whose: str, expected: str
) -> None:
    # The options of a deletion are its body.
    assert judge(ground.request(who, "DELETE", where, whose, {"dryRun": ["All"]})) == expected
