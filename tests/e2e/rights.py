"""What a user may do: the table of rights, and questions to the API server about everything that it serves."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from tests.faults.kubeapi import Api

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
READ = {"get", "list", "watch"}
# The table of docs/users.md. In the own namespace:
OWN = {
    ("devserver.io", "devservers"): set(VERBS) - {"deletecollection"},
    ("devserver.io", "devservers/status"): {"get"},
    ("", "pods"): READ,
    ("", "pods/log"): {"get"},
    # An upgraded connection is a get or a create, as the client likes.
    ("", "pods/exec"): {"get", "create"},
    ("", "pods/portforward"): {"get", "create"},
    ("", "services"): READ,
    ("", "resourcequotas"): READ,
    ("", "events"): READ,
    ("events.k8s.io", "events"): READ,
    ("", "persistentvolumeclaims"): READ | {"create", "delete"},
}
# Everywhere, as everyone who is signed in: flavors, and questions about oneself (Kubernetes' own).
EVERYWHERE = {
    ("devserver.io", "devserverflavors"): READ,
    ("authorization.k8s.io", "selfsubjectaccessreviews"): {"create"},
    ("authorization.k8s.io", "selfsubjectrulesreviews"): {"create"},
    ("authentication.k8s.io", "selfsubjectreviews"): {"create"},
}
# Verbs of other kinds than requests have.
SPECIAL = [
    ("", "users", "impersonate"),
    ("", "groups", "impersonate"),
    ("", "serviceaccounts", "impersonate"),
    ("authentication.k8s.io", "userextras/scopes", "impersonate"),
    ("certificates.k8s.io", "signers", "approve"),
    ("certificates.k8s.io", "signers", "sign"),
    ("devserver.io", "devservers", "assign-owner"),
    ("devserver.io", "devservers", "*"),
    ("rbac.authorization.k8s.io", "clusterroles", "bind"),
    ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
    ("rbac.authorization.k8s.io", "roles", "bind"),
    ("rbac.authorization.k8s.io", "roles", "escalate"),
    ("*", "*", "*"),
    ("*", "*", "get"),
    ("", "*", "get"),
]
# Without a resource. Whoever is signed in may ask what there is and how the server is.
PATHS = {
    "/api/v1": True,
    "/apis": True,
    "/openapi/v3": True,
    "/version": True,
    "/livez": True,
    "/metrics": False,
    "/logs/": False,
    "/configz": False,
    "/debug/pprof/": False,
}


class Right(NamedTuple):
    """One thing that can be asked about. namespace: empty for all of them, and for what lies in none."""

    namespace: str
    group: str
    resource: str
    verb: str


def questions(resources: dict[tuple[str, str], bool], own: str, others: str) -> list[Right]:
    """Every verb on everything: in the own namespace, in one of others, and in all."""
    asked = [
        Right(scope, group, resource, verb)
        for (group, resource), namespaced in resources.items()
        for scope in ((own, others, "") if namespaced else ("",))
        for verb in VERBS
    ]
    return asked + [Right(scope, *special) for special in SPECIAL for scope in (own, "")]


def table(own: str) -> set[Right]:
    """The rights that a user has."""
    return {
        Right(scope, group, resource, verb)
        for rights, scope in ((OWN, own), (EVERYWHERE, ""))
        for (group, resource), verbs in rights.items()
        for verb in verbs
    }


def served(api: Api) -> dict[tuple[str, str], bool]:
    """All resources and subresources in all versions, and whether they lie in namespaces."""
    groups = api.request("GET", "/apis")["groups"]
    paths = [
        "/api/v1",
        *(f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"]),
    ]
    found = {}
    for path in paths:
        listed = api.request("GET", path)
        group = "" if path == "/api/v1" else listed["groupVersion"].split("/")[0]
        found.update({(group, item["name"]): item["namespaced"] for item in listed["resources"]})
    return found


def allowed(api: Api, rights: list[Right]) -> set[Right]:
    """Those of them that the asking identity has."""

    def ask(right: Right) -> bool:
        resource, _, subresource = right.resource.partition("/")
        attributes = {
            "namespace": right.namespace,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "verb": right.verb,
        }
        return review(api, {"resourceAttributes": attributes})

    with ThreadPoolExecutor(8) as pool:
        return {right for right, yes in zip(rights, pool.map(ask, rights), strict=True) if yes}


def review(api: Api, spec: dict[str, Any]) -> bool:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(answer["status"]["allowed"])


def rules(api: Api, namespace: str) -> list[str]:
    """What the API server lists as the asking identity's rights in the namespace."""
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body)
    return sorted(map(str, answer["status"]["resourceRules"]))
