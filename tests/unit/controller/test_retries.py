"""Which failures the change of another object makes worth a new try."""

from reconciler.controller.retries import was_stopped_by_namespace
from reconciler.status.errors import WaitingError


def test_a_namespace_that_is_gone_relieves_whom_it_stopped() -> None:
    message = "unable to create new content in namespace dev-ada because it is being terminated"
    stopped = WaitingError("NamespaceTerminating", message)
    assert was_stopped_by_namespace(stopped, "dev-ada")
    assert not was_stopped_by_namespace(stopped, "dev-a")
