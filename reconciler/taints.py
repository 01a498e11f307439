"""Taints and tolerations, as the scheduler matches them. Pure.

Mirrors ToleratesTaint: https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/api/core/v1/toleration.go
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from crds.flavor import Toleration

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
# What an admission plugin of every API server adds to every pod:
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/plugin/pkg/admission/defaulttolerationseconds/admission.go
DEFAULT_TOLERATIONS = (
    Toleration(key=NOT_READY, operator="Exists", effect="NoExecute"),
    Toleration(key=UNREACHABLE, operator="Exists", effect="NoExecute"),
)
# PreferNoSchedule is a wish.
_KEEPING_AWAY = ("NoSchedule", "NoExecute")


class Taint(NamedTuple):
    """What keeps pods away from a node."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


def taints(listed: Iterable[Mapping[str, Any]] | None) -> tuple[Taint, ...]:
    """Those of a manifest that keep pods away."""
    found = (Taint(item["key"], item.get("value") or "", item["effect"]) for item in listed or ())
    return tuple(taint for taint in found if taint.effect in _KEEPING_AWAY)


def not_tolerated(present: Iterable[Taint], tolerations: Iterable[Toleration]) -> list[Taint]:
    """The taints that keep a pod with these tolerations away."""
    accepted = tuple(tolerations)
    return [taint for taint in present if not any(_tolerates(item, taint) for item in accepted)]


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in (None, taint.effect) or toleration.key not in (None, taint.key):
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == taint.value
