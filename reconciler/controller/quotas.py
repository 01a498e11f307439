"""Quotas: which refusals and failures a ResourceQuota caused, and when it has room again. Pure."""

from decimal import Decimal

from crds import parse_quantity
from reconciler.kube.objects import Key, Object
from reconciler.status import reasons
from reconciler.status.errors import ReconcileError


def quota_freed(old: Object, new: Object | None) -> bool:
    """Whether a ResourceQuota has more room for something than before, or is gone (None)."""
    if new is None:
        return True
    before, after = _room(old), _room(new)
    return any(name not in after or after[name] > room for name, room in before.items())


def _room(quota: Object) -> dict[str, Decimal]:
    """What the quota has left, by name of the resource. (The API server decides by the quota's status, too.)"""
    status = quota.get("status", {})
    used = status.get("used", {})
    return {
        name: parse_quantity(hard) - parse_quantity(used.get(name, "0"))
        for name, hard in status.get("hard", {}).items()
    }


def was_stopped_by_quota(key: Key, error: ReconcileError, namespace: str, quota: str) -> bool:
    """Whether the resource failed because of that quota. namespace: the quota's, where the resource's children are."""
    return (
        error.reason == reasons.QUOTA_EXCEEDED
        and namespace == (key.namespace or namespace)
        and stopped_by_quota(error.message, quota)
    )


def stopped_by_quota(message: str, quota: str) -> bool:
    """Whether the message is the API server's refusal because of that quota."""
    return f"exceeded quota: {quota}," in message
