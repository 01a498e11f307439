"""What watched objects say of whom they belong to."""

from typing import Any

import pytest

from reconciler.kube.objects import Key
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Child
from stacks.user import program
from tests.builders import cache, child_object, owner, pod, resource, user_inputs

Object = dict[str, Any]

NAMES = DevServerChildren.of(owner())

BOX = Key("DevServer", "dev-ada", "box")

USER = user_inputs()

PREWARM = Child("apps/v1", "DaemonSet", "devserver-system", "prewarm-gpu")


def bare(kind: str = "ConfigMap", namespace: str = "dev-ada", **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": namespace, **metadata}}


def owned_by(api_version: str, kind: str, name: str = "box") -> Object:
    return bare(ownerReferences=[{"apiVersion": api_version, "kind": kind, "name": name, "uid": "u"}])


def retained_by(text: str) -> Object:
    return bare("PersistentVolumeClaim", annotations={"devserver.io/retained-by": text})


def without_kind(obj: Object) -> Object:
    """As the API server writes the items of a list."""
    return {name: value for name, value in obj.items() if name != "kind"}


USERS_CHILDREN = {child.kind: child for child in program(USER).children}

CASES: dict[str, tuple[Object, Key | None]] = {
    "a child": (child_object(NAMES.sshd), BOX),
    "a child in a list": (without_kind(child_object(NAMES.sshd)), BOX),
    "a home": (child_object(NAMES.home), BOX),
    "a user's namespace": (
        child_object(USERS_CHILDREN["Namespace"], USER.owner, person="ada"),
        Key("DevServerUser", "", "ada-lovelace"),
    ),
    "a user's service account": (
        child_object(USERS_CHILDREN["ServiceAccount"], USER.owner),
        Key("DevServerUser", "", "ada-lovelace"),
    ),
    "a flavor's DaemonSet": (
        child_object(PREWARM, owner("DevServerFlavor", "gpu")),
        Key("DevServerFlavor", "", "gpu"),
    ),
    "a pod, which is its StatefulSet's": (pod(), None),
    "owned by another kind of object": (owned_by("apps/v1", "StatefulSet"), None),
    "owned by a DevServer of another version": (owned_by("devserver.io/v2", "DevServer"), None),
    "owned by a kind that does not exist": (owned_by("devserver.io/v1", "Nonsense"), None),
    "retained by a name with dots": (
        retained_by("devserverflavor..gpu.a100"),
        Key("DevServerFlavor", "", "gpu.a100"),
    ),
    "retained by a kind that does not exist": (retained_by("nonsense.dev-ada.box"), None),
    "retained by nonsense": (retained_by("devserver"), None),
    "retained by nothing": (retained_by(""), None),
    "no one's": (bare(), None),
    "a label on what is no pod": (bare(labels={"devserver.io/name": "box"}), None),
    "null for labels, annotations and owners": (
        bare(labels=None, annotations=None, ownerReferences=None),
        None,
    ),
}


@pytest.mark.parametrize(("obj", "key"), CASES.values(), ids=CASES.keys())
def test_owner_key(obj: Object, key: Key | None) -> None:
    assert cache().owner_key(obj) == key


def test_the_cache_finds_what_it_has_seen() -> None:
    box, sshd = resource("DevServer"), child_object(NAMES.sshd)
    seen = cache(box, sshd)
    assert seen.resource(BOX) is box
    assert seen.resource(BOX._replace(name="other")) is None
    assert seen.child(NAMES.sshd) is sshd
    assert seen.child(NAMES.home) is None
    assert seen.is_alive("uid-box")
    assert not seen.is_alive("uid-other")
