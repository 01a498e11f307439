"""Whose a username is."""

from typing import Any

import pytest

from reconciler.controller.finalizers import FINALIZER
from reconciler.kinds.user.username import holder_of
from stacks.metadata import Child
from tests import builders
from tests.builders import cache, child_object, owner, resource

Object = dict[str, Any]
EIGHT, NINE = "2030-01-01T08:00:00Z", "2030-01-01T09:00:00Z"


def user(name: str, created: str = builders.CREATED, username: str = "ada", **spec: Any) -> Object:
    made = resource("DevServerUser", name, username=username, **spec)
    made["metadata"]["creationTimestamp"] = created
    return made


def namespace_of(name: str) -> Object:
    """The namespace dev-ada as the DevServerUser of that name made or left it."""
    child = Child("v1", "Namespace", "", "dev-ada", retained=True)
    return child_object(child, owner("DevServerUser", name), person="ada")


def leaving(made: Object) -> Object:
    made["metadata"]["deletionTimestamp"] = NINE
    return made


def begun(made: Object) -> Object:
    made["metadata"]["finalizers"] = [FINALIZER]
    return made


HOLDERS = {
    "the only one": ([user("b")], "b"),
    "the older one": ([user("a", NINE), user("b", EIGHT)], "b"),
    "of the same second, the first by name": ([user("b"), user("a")], "a"),
    "of the same second, whose stack was begun": ([begun(user("b")), user("a")], "b"),
    "whose namespace it is, though another is older": (
        [user("a", EIGHT), user("b", NINE), namespace_of("b")],
        "b",
    ),
    "the older one, where the namespace is kept for one that is gone": (
        [user("a", NINE), user("b", EIGHT), namespace_of("c")],
        "b",
    ),
    "one that is being deleted, until it is gone": ([leaving(user("a", EIGHT)), user("b", NINE)], "a"),
    "never one of another username": ([user("a", EIGHT, username="eve"), user("b", NINE)], "b"),
}


@pytest.mark.parametrize(("objects", "holder"), HOLDERS.values(), ids=HOLDERS.keys())
def test_a_username_is_that_of(objects: list[Object], holder: str) -> None:
    assert holder_of(cache(*objects), "ada") == holder
