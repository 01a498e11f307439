"""The objects of a cluster that an upgrade could touch, and what became of them."""

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

from tests.shared_cluster import SharedCluster

Object = dict[str, Any]
# By place: `resource namespace/name`.
Objects = dict[str, Object]

CUSTOM_RESOURCES = ("devservers", "devserverflavors", "devserverusers")
_PATHS = (
    *(f"/apis/devserver.io/v1/{plural}" for plural in CUSTOM_RESOURCES),
    *(
        f"/api/v1/{plural}"
        for plural in (
            "configmaps",
            "limitranges",
            "namespaces",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        )
    ),
    *(
        f"/apis/apps/v1/{plural}"
        for plural in ("controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets")
    ),
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
)
# The API server keeps records of its own there.
_OTHERS = "kube-system"
# Of a value that is shown, in characters.
_LONGEST = 120
_RESTART_DIGEST = "devserver.io/restart-digest"
_RETAINED_BY = "devserver.io/retained-by"


def all_objects(cluster: SharedCluster) -> Objects:
    """All objects of these kinds, but for those in kube-system."""
    found: Objects = {}
    for path in _PATHS:
        # Without discovery, whose cache of an earlier server on this port may still be there.
        items: list[Object] = json.loads(cluster.kubectl("get", "--raw", path))["items"]
        for item in items:
            meta = item["metadata"]
            if meta.get("namespace") != _OTHERS:
                found[f"{path.rpartition('/')[2]} {meta.get('namespace', '')}/{meta['name']}"] = item
    return found


def differences(before: Objects, after: Objects, view: Callable[[str, Object], Any]) -> str:
    """One line for each field that differs, of what the view shows of an object at a place."""
    return "\n".join(
        f"{place}{line}"
        for place in sorted(before.keys() | after.keys())
        for line in _differences(_viewed(before, place, view), _viewed(after, place, view))
    )


def _viewed(objects: Objects, place: str, view: Callable[[str, Object], Any]) -> Any:
    return view(place, objects[place]) if place in objects else None


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _differences(before.get(name), after.get(name), f"{path}.{name}")
    elif before != after:
        yield f"{path}: {_short(before)} -> {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def resources(objects: Objects) -> dict[str, Object]:
    """The custom resources, by the name that the operator's log has for them: `Kind/namespace/name`."""
    found = {}
    for place, item in objects.items():
        if place.split()[0] in CUSTOM_RESOURCES:
            meta = item["metadata"]
            found["/".join(filter(None, (item["kind"], meta.get("namespace"), meta["name"])))] = item
    return found


def belongs_to(item: Object, resource: Object) -> bool:
    """Whether the object is the resource, its child or its state."""
    meta = resource["metadata"]
    retained_by = f"{resource['kind'].lower()}.{meta.get('namespace', '')}.{meta['name']}"
    is_retained = item["metadata"].get("annotations", {}).get(_RETAINED_BY) == retained_by
    return is_retained or meta["uid"] in json.dumps(item)


def everything(place: str, item: Object) -> Object:
    """The whole object, its resourceVersion included."""
    return item


def sacred(place: str, item: Object) -> Any:
    """What of an object an upgrade never changes, whatever its programs declare anew."""
    meta = item["metadata"]
    kept: Object = {"uid": meta["uid"], "deletion": meta.get("deletionTimestamp")}
    match place.split()[0]:
        case "pods":
            return item
        case "persistentvolumeclaims" | "persistentvolumes":
            kept["spec"] = item["spec"]
        case "statefulsets":
            kept["restart digest"] = item["spec"]["template"]["metadata"]["annotations"][_RESTART_DIGEST]
        case "secrets" if meta["name"].endswith("-hostkeys"):
            kept["data"] = item["data"]
        case "devservers":
            kept["spec"] = item["spec"]
            kept["host keys"] = item["status"]["ssh"]["hostKeys"]
            kept["end"] = item["status"].get("expiresAt")
        case "devserverflavors" | "devserverusers":
            kept["spec"] = item["spec"]
    return kept


def but_for_the_form(place: str, item: Object, reworded: Collection[str]) -> Object:
    """A custom resource without what may have another form in its status, and without what that write changes.

    That is the digest, and the messages of conditions with a reason that is reworded.
    """
    if place.split()[0] not in CUSTOM_RESOURCES:
        return item
    metadata = {
        name: value
        for name, value in item["metadata"].items()
        if name not in ("managedFields", "resourceVersion")
    }
    status = {name: value for name, value in item["status"].items() if name != "inputsDigest"}
    status["conditions"] = [
        {**condition, "message": ""} if condition["reason"] in reworded else condition
        for condition in status["conditions"]
    ]
    return {**item, "metadata": metadata, "status": status}
