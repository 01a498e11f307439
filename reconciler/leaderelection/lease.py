"""The Lease by which one of several reconcilers leads: what it says, and when it may be taken. Pure.

The holder may act until `renew_deadline_s` after the start of its last renewal. Others take the Lease when they have
seen it unchanged for its `leaseDurationSeconds`, by their own clock. So clocks of different machines are never
compared, and the holder has stopped long before.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from reconciler.kube.objects import Object

LEASE_NAME = "devserver-reconciler"


class LeaseLostError(BaseException):
    """This process no longer leads and must end. Not an Exception, so that no handler of errors catches it."""


@dataclass(frozen=True)
class LeaseTimes:
    """How long the Lease is valid for others and for its holder, and how often it is renewed or read. Seconds."""

    duration_s: int
    renew_deadline_s: float
    retry_s: float

    @property
    def call_deadline_s(self) -> float:
        """The time for one request, so short that others can follow one that is never answered."""
        return self.renew_deadline_s / 4


@dataclass(frozen=True)
class Sighting:
    """A Lease, and since when it has been seen unchanged, by clock_s."""

    lease: Object
    since_s: float


def clock_s() -> float:
    """Seconds by a clock that nobody sets, and that runs on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def sighted(before: Sighting | None, lease: Object | None, now_s: float) -> Sighting | None:
    """What is known after a look at the Lease. One that is gone counts until it would have run out."""
    if lease is None:
        return before
    if before is not None and _version(before.lease) == _version(lease):
        return before
    return Sighting(lease, now_s)


def _version(lease: Object) -> tuple[str, str]:
    meta = lease["metadata"]
    return meta["uid"], meta["resourceVersion"]


def holder_of(lease: Object) -> str:
    """The holder's identity; empty if nobody holds it."""
    return (lease.get("spec") or {}).get("holderIdentity") or ""


def is_free(seen: Sighting | None, identity: str, now_s: float, times: LeaseTimes) -> bool:
    """Whether `identity` may take the Lease: nobody holds it, it does so itself, or the holder let it run out."""
    if seen is None or holder_of(seen.lease) in ("", identity):
        return True
    return now_s >= runs_out_s(seen, times)


def runs_out_s(seen: Sighting, times: LeaseTimes) -> float:
    """When the Lease runs out unless its holder renews it, by the clock of the sighting."""
    # The holder's own duration counts, as it may run with other settings.
    duration_s: int = seen.lease["spec"].get("leaseDurationSeconds") or times.duration_s
    return seen.since_s + duration_s


def taken(lease: Object | None, identity: str, times: LeaseTimes, now: datetime) -> Object:
    """The Lease's spec with `identity` as its holder. Each change of the holder is a transition."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    before: Object = (lease or {}).get("spec") or {}
    if lease is not None and holder_of(lease) == identity:
        return {**before, "leaseDurationSeconds": times.duration_s, "renewTime": stamp}
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": times.duration_s,
        "acquireTime": stamp,
        "renewTime": stamp,
        "leaseTransitions": (before.get("leaseTransitions") or 0) + 1,
    }


def released(lease: Object) -> Object:
    """The Lease without a holder, so that the next one can take it at once."""
    return {**lease, "spec": {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}}
