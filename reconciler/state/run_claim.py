"""Who leads, since when, and whose claim on a stack may be taken over. Pure.

Before a run the stack's state Secret is marked with a claim. A process that lost its Lease without noticing (it
was stopped, its machine slept) cannot save over the work of its successor, nor begin another run: its claim is
refused because its term is the earlier one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from reconciler.kube.objects import Object


class Epoch(NamedTuple):
    """When a term began, in an order that no clock of ours can disturb.

    lease_created: the Lease's creationTimestamp, as the API server wrote it: a Lease that was deleted and made
        anew counts its transitions from the start. transitions: the Lease's leaseTransitions.
    """

    lease_created: str
    transitions: int


@dataclass(frozen=True)
class Term:
    """A time of leading. A process that is started again on its run directory goes on in the same term."""

    holder: str
    epoch: Epoch


def term_of(lease: Object) -> Term:
    """The term of the Lease's present holder."""
    spec = lease["spec"]
    epoch = Epoch(lease["metadata"]["creationTimestamp"], spec.get("leaseTransitions") or 0)
    return Term(spec.get("holderIdentity") or "", epoch)


@dataclass(frozen=True)
class RunClaim:
    """The mark of a run that began.

    since: by the holder's clock, RFC 3339. No decision about the claim itself rests on it.
    earlier: holders and times of earlier claims that were never taken off: of runs that were cut short, whose
        locks may be left in an external backend.
    """

    holder: str
    epoch: Epoch
    since: str
    earlier: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """As an annotation holds it."""
        claim = {"holder": self.holder, "epoch": list(self.epoch), "since": self.since}
        return json.dumps({**claim, **({"earlier": self.earlier} if self.earlier else {})})


# So many earlier holders, so that the annotation stays small.
_REMEMBERED = 8
# Of a claim that cannot be read: nobody's, so that every term is later.
_UNREADABLE = RunClaim("unknown", Epoch("", 0), "")


def parse_claim(text: str) -> RunClaim:
    """The claim in an annotation. One that was damaged by hand is nobody's, but it is still a claim."""
    try:
        found = json.loads(text)
        created, transitions = found["epoch"]
        earlier = tuple((str(holder), str(since)) for holder, since in found.get("earlier", ()))
        epoch = Epoch(str(created), int(transitions))
        return RunClaim(str(found["holder"]), epoch, str(found["since"]), earlier)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _UNREADABLE


def may_take(claim: RunClaim | None, term: Term) -> bool:
    """Whether a run may begin on a stack that bears the claim.

    One's own claim is of a run that was killed: a process works on a stack once at a time, and its predecessor
    on the same run directory is dead with all that it started.
    """
    return claim is None or claim.holder == term.holder or claim.epoch < term.epoch


def take(before: RunClaim | None, term: Term, since: str) -> RunClaim:
    """The claim of this term, which remembers the ones that it takes the place of."""
    if before is None:
        return RunClaim(term.holder, term.epoch, since)
    earlier = before.earlier
    if before.holder != term.holder:
        earlier = (*earlier, (before.holder, before.since))[-_REMEMBERED:]
    return RunClaim(term.holder, term.epoch, since, earlier)


@dataclass(frozen=True)
class CutShort:
    """A run of an earlier leader that never ended. since: not later than any lock of it."""

    host: str
    since: datetime


def runs_cut_short(claims: Sequence[tuple[str, str]]) -> tuple[CutShort, ...]:
    """The runs of claims that were never taken off, by holder (`HOST_TOKEN`) and time."""
    timed = [(holder.rpartition("_")[0], time_or_none(since)) for holder, since in claims]
    return tuple(CutShort(host, since) for host, since in timed if host and since is not None)


def time_or_none(text: str) -> datetime | None:
    """The RFC 3339 time, in UTC if it names no zone; None if the text is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
