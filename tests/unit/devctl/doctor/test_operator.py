"""Whether the operator is alive: by its Lease, else by what it has handled."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from crds.resources import FLAVOR, Resource
from devctl.config import Config
from devctl.doctor import operator
from devctl.errors import DevctlError, Forbidden, NotFound
from devctl.session import Session
from devctl.times import now


@dataclass
class Api:
    """A cluster with a Lease, or the refusal to show it, and with some flavors."""

    lease: dict[str, Any] | DevctlError
    flavors: list[dict[str, Any]] = field(default_factory=list)

    def get(self, resource: Resource, name: str, namespace: str) -> dict[str, Any]:
        if isinstance(self.lease, DevctlError):
            raise self.lease
        return self.lease

    def list_all(self, resource: Resource, namespace: str = "") -> list[dict[str, Any]]:
        return self.flavors if resource is FLAVOR else []


def lease(**ago: float) -> dict[str, Any]:
    return {"spec": {"renewTime": (now() - timedelta(**ago)).isoformat()}}


def flavor(name: str, observed: int | None, **ago: float) -> dict[str, Any]:
    """A flavor of generation 2, created so long ago."""
    created = (now() - timedelta(**ago)).isoformat()
    return {
        "metadata": {"name": name, "generation": 2, "creationTimestamp": created},
        "status": {} if observed is None else {"observedGeneration": observed},
    }


# Made when the test runs, for they say how long ago something was.
CASES: list[tuple[Callable[[], Api], str, str]] = [
    (lambda: Api(lease(seconds=1)), "good", "The operator is alive. It renewed its Lease "),
    (lambda: Api(lease(hours=2)), "bad", "The operator last renewed its Lease 2h"),
    (lambda: Api({"spec": {}}), "bad", "The operator has never renewed its Lease. Ask the administrator"),
    (lambda: Api(NotFound("no")), "bad", "There is no Lease devserver-reconciler in devserver-system."),
    (lambda: Api(Forbidden("no")), "unsure", "There is nothing yet that shows whether the operator runs."),
    (
        lambda: Api(Forbidden("no"), [flavor("tiny", 2, hours=1)]),
        "good",
        "The operator has handled every change (you cannot read its Lease).",
    ),
    (lambda: Api(Forbidden("no"), [flavor("tiny", 1, hours=1)]), "bad", "The operator has not handled tiny."),
    (lambda: Api(Forbidden("no"), [flavor("new", None, seconds=1)]), "unsure", "There is nothing yet"),
]


@pytest.mark.parametrize(("api", "level", "said"), CASES)
def test_the_operator_is_judged_by_what_the_user_may_read(
    api: Callable[[], Api], level: str, said: str
) -> None:
    session = Session(Config(), None, None, "dev-alice", "table")
    session.__dict__["api"] = api()
    found = operator.check(session)
    assert found.level == level
    assert found.said.startswith(said)
