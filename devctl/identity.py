"""Who one is to the cluster. Everyone signed in may ask that of themselves."""

import re
from typing import Any

from crds import NAMESPACE_PREFIX
from devctl.api import Api

_AUTHENTICATION = "/apis/authentication.k8s.io/v1"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"


def username(api: Api) -> str:
    """The name that the cluster knows one by."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.post(f"{_AUTHENTICATION}/selfsubjectreviews", body, "the question who you are")
    return str((answer.get("status") or {}).get("userInfo", {}).get("username", ""))


def owner_of(api: Api) -> str:
    """The owner of what one creates."""
    return owner_name(username(api))


def owner_name(user: str) -> str:
    """The user's name; of a DevServerUser's own ServiceAccount, the DevServerUser's."""
    match = re.fullmatch(rf"system:serviceaccount:{NAMESPACE_PREFIX}([^:]+):([^:]+)", user)
    return match[1] if match and match[1] == match[2] else user


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
    answer = api.post(path, body, "the question what you may do")
    return bool((answer.get("status") or {}).get("allowed"))
