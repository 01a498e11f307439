"""Adding DevServerUsers."""

from collections.abc import Sequence

from crds import NAMESPACE_PREFIX
from crds.resources import USER
from devctl.errors import CannotStart
from devctl.kube import waits
from devctl.manifests import users
from devctl.objects import Object, condition, is_true
from devctl.session import Session


def add(session: Session, name: str, *, keep: bool, quota: Sequence[str], timeout_s: float) -> None:
    """Add one, and wait until the operator has made the namespace. Raises CannotStart, TimedOut."""
    session.api.create(USER, users.manifest(name, keep=keep, quota=quota))

    def check(user: Object | None) -> bool | None:
        stalled = condition(user or {}, "Stalled")
        if stalled.get("status") == "True":
            raise CannotStart(f"{name}: {stalled.get('reason')}: {stalled.get('message')}")
        return True if user is not None and is_true(user, "Ready") else None

    objects = waits.follow(session.api, USER, name, "", timeout_s)
    waits.until(
        objects,
        check,
        lambda: (
            f"User {name} was added, but is not ready after {timeout_s:g} s. Check that the operator runs."
        ),
    )
    session.terminal.say(f"{name} can now have DevServers in namespace {NAMESPACE_PREFIX}{name}.")
