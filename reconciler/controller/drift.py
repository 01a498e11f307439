"""Drift: children that others deleted, and fields of ours in them that others changed. Pure.

With spec.driftPolicy Repair the operator repairs drift at once. If the same drift comes back again and again, someone
else insists on it. Then the operator stops repairing for a while and reports it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from reconciler.kube.cache import Cache
from reconciler.kube.managed_fields import lost_fields, managed_fields
from reconciler.kube.objects import Key, Object, belongs_to
from reconciler.state.checkpoint import Recorded
from reconciler.status import reasons
from reconciler.status.conditions import ConditionState
from stacks.metadata import Child, Owner

# After this many repairs of the same drift within the window, it counts as a fight.
REPAIR_ROUNDS = 5
FIGHT_WINDOW = timedelta(minutes=10)
_MAX_NAMED = 5


@dataclass(frozen=True)
class Drift:
    """What happened to a child. fields: paths that others changed; empty if the child is gone."""

    child: Child
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f"{self.child.kind} {self.child.name}"
        if not self.fields:
            return f"{what} was deleted"
        more = len(self.fields) - _MAX_NAMED
        named = ", ".join(self.fields[:_MAX_NAMED])
        return f"{what} was changed ({named}{f' and {more} more' if more > 0 else ''})"


def changed_fields(
    recorded: Mapping[Child, Recorded],
    cache: Cache,
    owner: Owner,
    tolerated: Collection[tuple[str, str]] = (),
) -> tuple[Drift, ...]:
    """The children in the cache that exist but lack fields of ours.

    tolerated: kinds of children with paths of fields that others may change.
    """
    drifts = []
    for child, before in sorted(recorded.items(), key=lambda item: (item[0].kind, item[0].name)):
        live = cache.child(child)
        # If the watch lags, the cached child is older than our own last write.
        if live is None or not belongs_to(live, owner, child) or _version(live) <= before.version:
            continue
        fields = [
            path
            for path in lost_fields(before.fields, managed_fields(live))
            if (child.kind, path) not in tolerated
        ]
        if fields:
            drifts.append(Drift(child, tuple(fields)))
    return tuple(drifts)


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


@dataclass
class Repairs:
    """The times at which each drift was repaired, by resource."""

    _times: dict[Key, dict[Drift, list[datetime]]] = field(default_factory=dict)

    def note(self, key: Key, drifts: tuple[Drift, ...], now: datetime) -> None:
        """Record that these drifts were repaired now."""
        for drift in drifts:
            self._times.setdefault(key, {})[drift] = [*self._recent(key, drift, now), now]

    def contested_until(self, key: Key, drifts: tuple[Drift, ...], now: datetime) -> datetime | None:
        """Until when the operator leaves these drifts alone; None if at least one of them is no fight.

        A run repairs everything. So one drift without a fight makes it repair the contested ones once more, too.
        """
        recents = [self._recent(key, drift, now) for drift in drifts]
        if not recents or any(len(recent) < REPAIR_ROUNDS for recent in recents):
            return None
        return min(recent[0] for recent in recents) + FIGHT_WINDOW

    def forget(self, key: Key) -> None:
        """Forget a resource that is gone."""
        self._times.pop(key, None)

    def _recent(self, key: Key, drift: Drift, now: datetime) -> list[datetime]:
        return [time for time in self._times.get(key, {}).get(drift, []) if now - time < FIGHT_WINDOW]


def drift_condition(
    drifts: tuple[Drift, ...], policy: Literal["Repair", "Observe"], contested_until: datetime | None
) -> ConditionState | None:
    """The condition Drifted: drift that the operator does not repair; None if there is none."""
    what = "; ".join(map(str, drifts))
    if not drifts or (policy == "Repair" and contested_until is None):
        return None
    if policy == "Observe":
        message = f"{what}. It is left as it is, because spec.driftPolicy is Observe."
        return ConditionState(reasons.DRIFTED, "True", reasons.DRIFT_OBSERVED, message)
    message = (
        f"{what}. The operator repaired this {REPAIR_ROUNDS} times within {FIGHT_WINDOW.total_seconds() / 60:.0f} "
        "minutes, and each time it happened again. It is left as it is until "
        f"{contested_until:%Y-%m-%d %H:%M:%S} UTC. metadata.managedFields names the other writer."
    )
    return ConditionState(reasons.DRIFTED, "True", reasons.DRIFT_CONTESTED, message)
