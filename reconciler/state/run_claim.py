"""Who leads, since when, and whose claim on a stack may be taken over. Pure.

Before a run the stack's state Secret is marked with a claim. A process may lose its Lease without noticing, because
it was stopped or its machine slept. It cannot save over the work of its successor then, nor begin another run: its
claim is refused, because its term is the earlier one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from reconciler.kube.objects import Object


class Epoch(NamedTuple):
    """The order of terms, which depends on no clock of ours.

    lease_created: the Lease's creationTimestamp, as the API server wrote it. (A Lease that was deleted and made anew
        counts its transitions from the start.)
    transitions: the Lease's leaseTransitions.
    """

    lease_created: str
    transitions: int


@dataclass(frozen=True)
class Term:
    """A period of leadership. A process that is started again on its run directory goes on in the same term."""

    holder: str
    epoch: Epoch


def term_of(lease: Object) -> Term:
    """The term of the Lease's present holder."""
    spec = lease["spec"]
    epoch = Epoch(lease["metadata"]["creationTimestamp"], spec.get("leaseTransitions") or 0)
    return Term(spec.get("holderIdentity") or "", epoch)


@dataclass(frozen=True)
class RunClaim:
    """Marks a stack on which a run began.

    since: by the holder's clock, RFC 3339. Whether the claim may be taken over does not depend on it.
    earlier: holders and times of earlier claims that were never removed. Their runs were cut short, and may have left
        locks in an external backend.
    """

    holder: str
    epoch: Epoch
    since: str
    earlier: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """As an annotation holds it."""
        claim = {"holder": self.holder, "epoch": list(self.epoch), "since": self.since}
        return json.dumps({**claim, **({"earlier": self.earlier} if self.earlier else {})})


# The largest number of earlier claims, so that the annotation stays small.
_REMEMBERED = 8
# Stands for a claim that cannot be read. Every term is later than its epoch.
_UNREADABLE = RunClaim("unknown", Epoch("", 0), "")


def parse_claim(text: str) -> RunClaim:
    """The claim in an annotation. One that cannot be read is still a claim, which anyone may take over."""
    try:
        found = json.loads(text)
        created, transitions = found["epoch"]
        earlier = tuple((str(holder), str(since)) for holder, since in found.get("earlier", ()))
        epoch = Epoch(str(created), int(transitions))
        return RunClaim(str(found["holder"]), epoch, str(found["since"]), earlier)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _UNREADABLE


def may_take(claim: RunClaim | None, term: Term) -> bool:
    """Whether a run may begin on a stack with this claim.

    One's own claim is left from a run that was killed: a process has one run on a stack at a time, and its predecessor
    on the same run directory is dead with all that it started.
    """
    return claim is None or claim.holder == term.holder or claim.epoch < term.epoch


def take(before: RunClaim | None, term: Term, since: str) -> RunClaim:
    """The claim of this term. It remembers the claims that it replaces."""
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
    """The runs of claims that were never removed, from their holders (`HOST_TOKEN`) and times."""
    timed = [(holder.rpartition("_")[0], time_or_none(since)) for holder, since in claims]
    return tuple(CutShort(host, since) for host, since in timed if host and since is not None)


def time_or_none(text: str) -> datetime | None:
    """The RFC 3339 time, in UTC if it names no zone; None if the text is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
