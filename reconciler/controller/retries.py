"""Which failures the change of another object makes worth a new try at once, ahead of the planned one. Pure."""

from decimal import Decimal

from crds import parse_quantity
from reconciler.controller.workqueue import Key
from reconciler.kube.client import Object
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError


def quota_freed(old: Object, new: Object | None) -> bool:
    """Whether a ResourceQuota has more room for something than it had, or is gone (None)."""
    if new is None:
        return True
    before, after = _room(old), _room(new)
    return any(name not in after or after[name] > room for name, room in before.items())


def _room(quota: Object) -> dict[str, Decimal]:
    """What is left, by the name of the resource. (The API server, too, judges by the quota's status.)"""
    status = quota.get("status", {})
    used = status.get("used", {})
    return {
        name: parse_quantity(hard) - parse_quantity(used.get(name, "0"))
        for name, hard in status.get("hard", {}).items()
    }


def was_stopped_by_quota(key: Key, error: ReconcileError, namespace: str, quota: str) -> bool:
    """Whether the resource failed for that quota in the namespace where its children lie."""
    return (
        error.reason == reasons.QUOTA_EXCEEDED
        and namespace == (key.namespace or namespace)
        and stopped_by_quota(error.message, quota)
    )


def stopped_by_quota(message: str, quota: str) -> bool:
    """Whether it is the API server's refusal for that quota."""
    return f"exceeded quota: {quota}," in message


def was_stopped_by_namespace(error: ReconcileError, namespace: str) -> bool:
    """Whether the resource failed because that namespace was on its way out."""
    return error.reason == reasons.NAMESPACE_TERMINATING and f" {namespace} " in error.message
