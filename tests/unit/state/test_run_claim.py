"""Whose claim on a stack may be taken over."""

import pytest

from reconciler.state.run_claim import Epoch, RunClaim, Term, may_take, parse_claim, term_of

EARLIER, LATER = "2030-01-01T08:00:00Z", "2030-01-01T09:00:00Z"
OURS = Term("pod-b", Epoch(EARLIER, 7))


def lease(spec: dict[str, object]) -> dict[str, object]:
    return {"metadata": {"name": "l", "creationTimestamp": EARLIER}, "spec": spec}


def test_the_term_is_that_of_the_leases_holder() -> None:
    assert term_of(lease({"holderIdentity": "pod-b", "leaseTransitions": 7})) == OURS
    assert term_of(lease({})) == Term("", Epoch(EARLIER, 0))


def claim(holder: str, created: str, transitions: int) -> RunClaim:
    return RunClaim(holder, Epoch(created, transitions), "2030-01-01T10:00:00Z")


CASES = {
    "no claim": (None, True),
    "our own of this term": (claim("pod-b", EARLIER, 7), True),
    "our own of an earlier term": (claim("pod-b", EARLIER, 3), True),
    "another's of an earlier term": (claim("pod-a", EARLIER, 6), True),
    "another's of the same term": (claim("pod-a", EARLIER, 7), False),
    "another's of a later term": (claim("pod-a", EARLIER, 8), False),
    "another's of a Lease that was deleted since": (claim("pod-a", "2030-01-01T07:59:59Z", 90), True),
    "another's of a Lease made after ours was deleted": (claim("pod-a", LATER, 1), False),
}


@pytest.mark.parametrize(("found", "may"), CASES.values(), ids=CASES.keys())
def test_a_claim_is_taken_over_only_by_a_later_term(found: RunClaim | None, may: bool) -> None:
    assert may_take(found, OURS) is may


def test_a_claim_is_read_as_it_was_written() -> None:
    written = claim("pod-a", EARLIER, 6)
    assert parse_claim(written.text()) == written


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"holder": "x"}', '{"epoch": [1], "holder": "", "since": ""}']
)
def test_a_damaged_claim_is_one_that_anybody_may_take(text: str) -> None:
    assert may_take(parse_claim(text), Term("x", Epoch(EARLIER, 1)))
