"""From a DevServerUser to the inputs of its program: username and roles."""

from typing import Any

import pytest

from crds import DevServerUser
from crds.times import parse_time
from reconciler.kinds.user.inputs import rejected_roles
from reconciler.settings import Settings
from reconciler.status.errors import StalledError
from stacks.user import DevServerUserInputs, program
from tests.builders import CREATED, kinds
from tests.unit.kinds.user.test_username import EIGHT, NINE, user

Object = dict[str, Any]


def gathered(made: Object, *others: Object, allowed: frozenset[str] = frozenset()) -> DevServerUserInputs:
    known = kinds(made, *others, settings=Settings(allowed_roles=allowed)).user
    return known.inputs(made, DevServerUser.model_validate(made), parse_time(CREATED))


def test_others_of_the_username_stall_and_are_told_whose_it_is() -> None:
    younger, older = user("b", NINE), user("a", EIGHT)
    assert gathered(older, younger).owner.name == "a"
    with pytest.raises(StalledError) as error:
        gathered(younger, older)
    assert error.value.reason == "UsernameTaken"
    assert "spec.username: ada is taken by the DevServerUser a" in error.value.message


# --- roles

VIEW, EXTRA = {"kind": "ClusterRole", "name": "view"}, {"kind": "Role", "name": "extra"}


def bound(allowed: set[str], *roles: Object) -> tuple[list[str], str]:
    """The names of the RoleBindings, and what is told."""
    inputs = gathered(user("ada", rbac={"additionalRoleRefs": list(roles)}), allowed=frozenset(allowed))
    told = rejected_roles(inputs)
    assert told is None or told.reason == "RoleNotAllowed"
    names = [child.name for child in program(inputs).children if child.kind == "RoleBinding"]
    assert names.pop(0) == "clusterrole.devserver-user"
    return names, told.message if told else ""


@pytest.mark.parametrize(
    ("allowed", "roles", "names"),
    [
        (set(), [], []),
        ({"ClusterRole/view"}, [VIEW], ["clusterrole.view"]),
        ({"ClusterRole/view", "Role/extra"}, [VIEW, EXTRA], ["clusterrole.view", "role.extra"]),
    ],
)
def test_roles_that_the_settings_allow_are_bound(
    allowed: set[str], roles: list[Object], names: list[str]
) -> None:
    assert bound(allowed, *roles) == (names, "")


@pytest.mark.parametrize(
    ("allowed", "roles", "names", "index"),
    [
        (set(), [VIEW], [], 0),
        ({"Role/view"}, [VIEW], [], 0),
        ({"ClusterRole/view"}, [VIEW, EXTRA], ["clusterrole.view"], 1),
        ({"Role/extra"}, [VIEW, EXTRA], ["role.extra"], 0),
        ({"ClusterRole/View"}, [VIEW], [], 0),
    ],
    ids=["none is allowed", "another kind", "the first of two", "the second of two", "another spelling"],
)
def test_other_roles_are_left_out_and_named_with_the_setting_that_would_allow_them(
    allowed: set[str], roles: list[Object], names: list[str], index: int
) -> None:
    found, told = bound(allowed, *roles)
    assert found == names
    assert f"spec.rbac.additionalRoleRefs[{index}]: {roles[index]['kind']}/{roles[index]['name']}" in told
    assert "DEVSERVER_ALLOWED_ROLES" in told


@pytest.mark.parametrize(
    "role",
    [
        "ClusterRole/cluster-admin",
        "ClusterRole/admin",
        "ClusterRole/edit",
        "Role/edit",
        "ClusterRole/system:node",
        "view",
        "ClusterRole/",
        "Group/x",
        "clusterrole/view",
    ],
)
def test_the_setting_takes_no_role_that_is_never_given_and_nothing_that_is_no_role(role: str) -> None:
    with pytest.raises(ValueError, match=role):
        Settings(allowed_roles=frozenset({"ClusterRole/view", role}))
