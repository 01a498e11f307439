"""Who owns what a user creates."""

import pytest

from devctl.kube.identity import owner_name


@pytest.mark.parametrize(
    ("name", "namespace", "owner"),
    [
        ("alice@example.com", "dev-alice", "alice@example.com"),
        ("system:serviceaccount:dev-alice:alice", "dev-alice", "alice"),
        ("system:serviceaccount:dev-alice:alice", "shared", "system:serviceaccount:dev-alice:alice"),
        ("system:serviceaccount:dev-alice:bob", "dev-alice", "system:serviceaccount:dev-alice:bob"),
        ("system:serviceaccount:default:default", "default", "system:serviceaccount:default:default"),
    ],
)
def test_the_owner_is_the_user_or_the_person_of_the_service_account(
    name: str, namespace: str, owner: str
) -> None:
    assert owner_name(name, namespace) == owner
