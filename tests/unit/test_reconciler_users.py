"""DevServerUsers: usernames, roles and the use of the quota."""

from typing import Any

import pytest

from reconciler.errors import Stalled
from reconciler.expiry import parse_time
from reconciler.queue import Key
from reconciler.settings import Settings
from reconciler.users import holder_of, objection, readiness, shown, user_inputs
from reconciler.world import FINALIZER
from stacks.metadata import Child, Owner
from stacks.user import DevServerUserInputs, children, quota_of
from tests import builders
from tests.builders import child_object, owner, resource, world

Object = dict[str, Any]
NOW = parse_time(builders.CREATED)


def user(name: str, created: str = builders.CREATED, username: str = "ada", **spec: Any) -> Object:
    made = resource("DevServerUser", name, username=username, **spec)
    made["metadata"]["creationTimestamp"] = created
    return made


def gathered(subject: Object, *others: Object, allowed: frozenset[str] = frozenset()) -> DevServerUserInputs:
    key = Key("DevServerUser", "", subject["metadata"]["name"])
    settings = Settings(allowed_roles=allowed)
    return user_inputs(world(subject, *others), key, subject, settings, "cluster-uid", NOW)


# --- who has a username

EIGHT, NINE = "2030-01-01T08:00:00Z", "2030-01-01T09:00:00Z"


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
    assert holder_of(world(*objects), "ada") == holder


def test_others_of_the_username_stall_and_are_told_whose_it_is() -> None:
    younger, older = user("b", NINE), user("a", EIGHT)
    assert gathered(older, younger).owner.name == "a"
    with pytest.raises(Stalled) as error:
        gathered(younger, older)
    assert error.value.reason == "UsernameTaken"
    assert "spec.username: ada is taken by the DevServerUser a" in error.value.message


# --- readiness


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([namespace_of("ada")], "Applied"),
        ([], "Applied"),
        ([leaving(namespace_of("ada"))], "NamespaceTerminating"),
    ],
    ids=["in place", "not seen yet", "on its way out"],
)
def test_a_user_is_ready_unless_the_namespace_is_being_deleted(objects: list[Object], reason: str) -> None:
    found = readiness(world(user("ada"), *objects), owner("DevServerUser", "ada"))
    assert found.reason == reason
    assert found.ready is (reason == "Applied")


# --- roles

VIEW, EXTRA = {"kind": "ClusterRole", "name": "view"}, {"kind": "Role", "name": "extra"}


def bound(allowed: set[str], *roles: Object) -> tuple[list[str], str]:
    """The names of the RoleBindings, and what is told."""
    inputs = gathered(user("ada", rbac={"additionalRoleRefs": list(roles)}), allowed=frozenset(allowed))
    told = objection(inputs)
    assert told is None or told.reason == "RoleNotAllowed"
    names = [child.name for child in children(inputs) if child.kind == "RoleBinding"]
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


# --- the use of the quota

ADA = user("ada")
QUOTA = quota_of("dev-ada")


def quota(of: Owner, **status: Any) -> Object:
    return child_object(QUOTA, of, status=status)


def shown_quota(*objects: Object) -> Any:
    return shown(world(ADA, *objects), Key("DevServerUser", "", "ada"), ADA).fields["quota"]


def test_limits_and_use_are_shown_as_the_api_server_counts_them() -> None:
    counted = {"hard": {"pods": "4", "requests.cpu": "2"}, "used": {"pods": "3", "requests.cpu": "1500m"}}
    assert shown_quota(quota(owner("DevServerUser", "ada"), **counted)) == counted


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [quota(owner("DevServerUser", "ada"))],
        [quota(owner("DevServerUser", "eve"), hard={"pods": "4"}, used={"pods": "3"})],
    ],
    ids=["none", "not counted yet", "another user's"],
)
def test_nothing_is_shown_of_a_quota_that_is_not_there_or_not_counted(objects: list[Object]) -> None:
    assert shown_quota(*objects) is None


def test_no_more_limits_are_shown_than_a_status_may_hold() -> None:
    many = {f"count/r{index:02}": "1" for index in range(40)}
    found = shown_quota(quota(owner("DevServerUser", "ada"), hard=many, used=many))
    assert len(found["hard"]) == len(found["used"]) == 16
