"""Who leads, since when, and whose claim on a stack may be taken over. Pure.

Before a run the stack's state Secret is marked with a claim. A process that lost its Lease without noticing (it
was stopped, its machine slept) cannot save over the work of its successor, nor begin another run: its claim is
refused because its term is the earlier one.
"""

import json
from dataclasses import dataclass
from typing import NamedTuple


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


@dataclass(frozen=True)
class RunClaim:
    """The mark of a run that began. since: for people only, RFC 3339."""

    holder: str
    epoch: Epoch
    since: str

    def text(self) -> str:
        """As an annotation holds it."""
        return json.dumps({"holder": self.holder, "epoch": list(self.epoch), "since": self.since})


# Of a claim that cannot be read: nobody's, so that every term is later.
_UNREADABLE = RunClaim("unknown", Epoch("", 0), "")


def parse_claim(text: str) -> RunClaim:
    """The claim in an annotation. One that was damaged by hand is nobody's, but it is still a claim."""
    try:
        found = json.loads(text)
        created, transitions = found["epoch"]
        return RunClaim(str(found["holder"]), Epoch(str(created), int(transitions)), str(found["since"]))
    except (ValueError, TypeError, KeyError):
        return _UNREADABLE


def may_take(claim: RunClaim | None, term: Term) -> bool:
    """Whether a run may begin on a stack that bears the claim.

    One's own claim is of a run that was killed: a process works on a stack once at a time, and its predecessor
    on the same run directory is dead with all that it started.
    """
    return claim is None or claim.holder == term.holder or claim.epoch < term.epoch
