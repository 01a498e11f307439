"""Who one is to the cluster. Everyone signed in may ask that of themselves."""

import re
from typing import Any

from crds import NAMESPACE_PREFIX
from devctl.kube.api import Api

_AUTHENTICATION = "/apis/authentication.k8s.io/v1"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"


def username(api: Api) -> str:
    """The name that the cluster knows one by."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.post(f"{_AUTHENTICATION}/selfsubjectreviews", body, "SelfSubjectReview")
    return str((answer.get("status") or {}).get("userInfo", {}).get("username", ""))


def owner_of(api: Api, namespace: str) -> str:
    """The owner of what one creates in the namespace."""
    return owner_name(username(api), namespace)


def owner_name(user: str, namespace: str) -> str:
    """The user's name; that of a DevServerUser for their own ServiceAccount in their own namespace.

    Other names the cluster would refuse (the policy devserver-owners).
    """
    match = re.fullmatch(rf"system:serviceaccount:({NAMESPACE_PREFIX}([^:]+)):([^:]+)", user)
    return match[2] if match and match[2] == match[3] and match[1] == namespace else user


def may(
    api: Api, verb: str, resource: str, namespace: str = "", group: str = "", subresource: str = ""
) -> bool:
    """Whether one may do that."""
    attributes: dict[str, Any] = {
        "verb": verb,
        "resource": resource,
        "namespace": namespace,
        "group": group,
        "subresource": subresource,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = f"{_AUTHORIZATION}/selfsubjectaccessreviews"
    answer = api.post(path, body, "SelfSubjectAccessReview")
    return bool((answer.get("status") or {}).get("allowed"))
