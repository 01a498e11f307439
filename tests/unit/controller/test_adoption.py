"""Whose is an object that has a child's name?"""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.controller.adoption import (
    Ownership,
    adopted,
    conflict,
    ownership_of,
    refuse_terminating,
)
from reconciler.controller.retries import was_stopped_by_namespace
from reconciler.status.errors import WaitingError
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Child
from stacks.user import DevServerUserInputs, program
from tests.builders import cache, child_object, owner, resource, user_inputs

Object = dict[str, Any]
OWNER, OTHER = owner(), owner(name="other")
EARLIER = replace(OWNER, uid="uid-of-an-earlier-life")
CHILDREN = DevServerChildren.of(OWNER)
SSHD, HOME = CHILDREN.sshd, CHILDREN.home
ADA, EVE = "ada@example.com", "eve@example.com"


def changed(obj: Object, **metadata: Any) -> Object:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def unlabelled(obj: Object) -> Object:
    return changed(obj, labels=None)


CASES: dict[str, tuple[Child, Object | None, Ownership]] = {
    "it does not exist": (SSHD, None, Ownership.FREE),
    "ours": (SSHD, child_object(SSHD), Ownership.OURS),
    "someone else's": (SSHD, unlabelled(child_object(SSHD)), Ownership.FOREIGN),
    "someone else's by another tool": (
        SSHD,
        changed(child_object(SSHD), labels={"app.kubernetes.io/managed-by": "Helm"}),
        Ownership.FOREIGN,
    ),
    "another living DevServer's": (SSHD, child_object(SSHD, OTHER), Ownership.FOREIGN),
    "of an earlier life": (SSHD, child_object(SSHD, EARLIER), Ownership.ORPHANED),
    "managed and of no one": (
        SSHD,
        changed(child_object(SSHD), labels={"app.kubernetes.io/managed-by": "devserver-reconciler"}),
        Ownership.FOREIGN,
    ),
    "something that is retained": (
        SSHD,
        changed(
            child_object(SSHD, EARLIER),
            annotations={"devserver.io/retained-by": "devserver.dev-ada.box"},
        ),
        Ownership.FOREIGN,
    ),
    "no home yet": (HOME, None, Ownership.FREE),
    "our home": (HOME, child_object(HOME, person=ADA), Ownership.OURS),
    "our home of an earlier life": (HOME, child_object(HOME, EARLIER, person=ADA), Ownership.OURS),
    "a home of another owner's DevServer of this name": (
        HOME,
        child_object(HOME, person=EVE),
        Ownership.FOREIGN,
    ),
    "a home of another DevServer": (HOME, child_object(HOME, OTHER, person=ADA), Ownership.FOREIGN),
    "a claim that the user made": (HOME, unlabelled(child_object(HOME, person=ADA)), Ownership.FOREIGN),
    "a claim that only looks managed": (
        HOME,
        changed(child_object(HOME), labels={"app.kubernetes.io/managed-by": "devserver-reconciler"}),
        Ownership.FOREIGN,
    ),
    "a home without the annotation": (HOME, changed(child_object(HOME), annotations=None), Ownership.FOREIGN),
}


@pytest.mark.parametrize(("child", "obj", "claim"), CASES.values(), ids=CASES.keys())
def test_judge(child: Child, obj: Object | None, claim: Ownership) -> None:
    seen = cache(resource("DevServer"), resource("DevServer", "other"))
    assert ownership_of(obj, OWNER, child, ADA, seen) is claim


def test_a_namespace_is_taken_up_again_by_the_same_user_only() -> None:
    inputs: DevServerUserInputs = user_inputs()
    namespace = program(inputs).children[0]
    obj = child_object(namespace, inputs.owner, person="ada")
    assert ownership_of(obj, inputs.owner, namespace, "ada", cache()) is Ownership.OURS
    assert ownership_of(obj, inputs.owner, namespace, "eve", cache()) is Ownership.FOREIGN
    assert (
        ownership_of(obj, replace(inputs.owner, name="eve"), namespace, "ada", cache()) is Ownership.FOREIGN
    )
    unmanaged = unlabelled(obj)
    assert ownership_of(unmanaged, inputs.owner, namespace, "ada", cache()) is Ownership.FOREIGN


@pytest.mark.parametrize(
    ("child", "parts"),
    [
        (SSHD, ["ConfigMap dev-ada/box-sshd", "not made for this resource"]),
        (HOME, ["PersistentVolumeClaim dev-ada/box-home", "holds the data of someone else"]),
        (program(user_inputs()).children[0], ["Namespace dev-ada exists"]),
    ],
    ids=["plain", "home", "namespace"],
)
def test_a_conflict_names_the_object_and_the_way_out(child: Child, parts: list[str]) -> None:
    error = conflict(child, child_object(child), cache())
    assert error.reason == "NameConflict"
    for part in [*parts, "left untouched", "Remove it or choose another name"]:
        assert part in error.message


def test_a_conflict_over_what_was_retained_says_for_whom() -> None:
    namespace = program(user_inputs()).children[0]
    kept = child_object(namespace, owner("DevServerUser", "eve"), person="ada")
    assert "(kept for DevServerUser/eve)" in conflict(namespace, kept, cache()).message
    assert "kept for" not in conflict(namespace, changed(kept, annotations=None), cache()).message


def test_a_namespace_that_is_on_its_way_out_is_waited_for_whosever_it_is() -> None:
    namespace = program(user_inputs()).children[0]
    leaving = child_object(namespace)
    leaving["metadata"]["deletionTimestamp"] = "2030-01-01T09:00:00Z"
    with pytest.raises(WaitingError) as error:
        refuse_terminating(namespace, leaving)
    assert error.value.reason == "NamespaceTerminating"
    assert was_stopped_by_namespace(error.value, "dev-ada")
    refuse_terminating(namespace, child_object(namespace))
    refuse_terminating(namespace, None)


def test_what_exists_and_the_state_does_not_hold_is_adopted() -> None:
    ours, new, left_over, free = SSHD, CHILDREN.stateful_set, CHILDREN.host_keys, CHILDREN.ssh
    claimed = {ours: Ownership.OURS, new: Ownership.OURS, left_over: Ownership.ORPHANED, free: Ownership.FREE}
    assert adopted(claimed, frozenset({ours, left_over, free})) == [new, left_over]
