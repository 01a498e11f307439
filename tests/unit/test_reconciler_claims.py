"""Whose is an object that has a child's name?"""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.claims import Claim, adopted, conflict, judge, refuse_terminating
from reconciler.errors import Waiting
from reconciler.relief import was_stopped_by_namespace
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Child
from stacks.user import DevServerUserInputs, program
from tests.builders import child_object, owner, resource, user_inputs, world

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


CASES: dict[str, tuple[Child, Object | None, Claim]] = {
    "there is none": (SSHD, None, Claim.FREE),
    "ours": (SSHD, child_object(SSHD), Claim.OURS),
    "someone else's": (SSHD, unlabelled(child_object(SSHD)), Claim.FOREIGN),
    "someone else's by another tool": (
        SSHD,
        changed(child_object(SSHD), labels={"app.kubernetes.io/managed-by": "Helm"}),
        Claim.FOREIGN,
    ),
    "another living DevServer's": (SSHD, child_object(SSHD, OTHER), Claim.FOREIGN),
    "of an earlier life": (SSHD, child_object(SSHD, EARLIER), Claim.LEFT_OVER),
    "managed and of no one": (
        SSHD,
        changed(child_object(SSHD), labels={"app.kubernetes.io/managed-by": "devserver-reconciler"}),
        Claim.FOREIGN,
    ),
    "something that is retained": (
        SSHD,
        changed(
            child_object(SSHD, EARLIER),
            annotations={"devserver.io/retained-by": "devserver.dev-ada.box"},
        ),
        Claim.FOREIGN,
    ),
    "no home yet": (HOME, None, Claim.FREE),
    "our home": (HOME, child_object(HOME, person=ADA), Claim.OURS),
    "our home of an earlier life": (HOME, child_object(HOME, EARLIER, person=ADA), Claim.OURS),
    "a home of another owner's DevServer of this name": (HOME, child_object(HOME, person=EVE), Claim.FOREIGN),
    "a home of another DevServer": (HOME, child_object(HOME, OTHER, person=ADA), Claim.FOREIGN),
    "a claim that the user made": (HOME, unlabelled(child_object(HOME, person=ADA)), Claim.FOREIGN),
    "a claim that only looks managed": (
        HOME,
        changed(child_object(HOME), labels={"app.kubernetes.io/managed-by": "devserver-reconciler"}),
        Claim.FOREIGN,
    ),
    "a home without the annotation": (HOME, changed(child_object(HOME), annotations=None), Claim.FOREIGN),
}


@pytest.mark.parametrize(("child", "obj", "claim"), CASES.values(), ids=CASES.keys())
def test_judge(child: Child, obj: Object | None, claim: Claim) -> None:
    seen = world(resource("DevServer"), resource("DevServer", "other"))
    assert judge(obj, OWNER, child, ADA, seen) is claim


def test_a_namespace_is_taken_up_again_by_the_same_user_only() -> None:
    inputs: DevServerUserInputs = user_inputs()
    namespace = program(inputs).children[0]
    obj = child_object(namespace, inputs.owner, person="ada")
    assert judge(obj, inputs.owner, namespace, "ada", world()) is Claim.OURS
    assert judge(obj, inputs.owner, namespace, "eve", world()) is Claim.FOREIGN
    assert judge(obj, replace(inputs.owner, name="eve"), namespace, "ada", world()) is Claim.FOREIGN
    unmanaged = unlabelled(obj)
    assert judge(unmanaged, inputs.owner, namespace, "ada", world()) is Claim.FOREIGN


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
    error = conflict(child, child_object(child))
    assert error.reason == "NameConflict"
    for part in [*parts, "left untouched", "Remove it or choose another name"]:
        assert part in error.message


def test_a_conflict_over_what_was_retained_says_for_whom() -> None:
    namespace = program(user_inputs()).children[0]
    kept = child_object(namespace, owner("DevServerUser", "eve"), person="ada")
    assert "(kept for DevServerUser/eve)" in conflict(namespace, kept).message
    assert "kept for" not in conflict(namespace, changed(kept, annotations=None)).message


def test_a_namespace_that_is_on_its_way_out_is_waited_for_whosever_it_is() -> None:
    namespace = program(user_inputs()).children[0]
    leaving = child_object(namespace)
    leaving["metadata"]["deletionTimestamp"] = "2030-01-01T09:00:00Z"
    with pytest.raises(Waiting) as error:
        refuse_terminating(namespace, leaving)
    assert error.value.reason == "NamespaceTerminating"
    assert was_stopped_by_namespace(error.value, "dev-ada")
    refuse_terminating(namespace, child_object(namespace))
    refuse_terminating(namespace, None)


def test_what_exists_and_the_state_does_not_hold_is_adopted() -> None:
    ours, new, left_over, free = SSHD, CHILDREN.stateful_set, CHILDREN.host_keys, CHILDREN.ssh
    claimed = {ours: Claim.OURS, new: Claim.OURS, left_over: Claim.LEFT_OVER, free: Claim.FREE}
    assert adopted(claimed, frozenset({ours, left_over, free})) == [new, left_over]
