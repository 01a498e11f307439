"""What a refusal of the API server means."""

import pytest

from devctl.errors import DevctlError, Forbidden, NoAnswer, NotFound, Refused, Unreachable
from devctl.kube.refusals import refusal


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind", "said"),
    [
        (401, "Unauthorized", "Unauthorized", Unreachable, "has expired"),
        (
            403,
            "Forbidden",
            'devservers is forbidden: User "bob" cannot list',
            Forbidden,
            "You do not have this right",
        ),
        (403, "Forbidden", "pods is forbidden: exceeded quota: q", Refused, "exceeded quota: q"),
        (404, "NotFound", 'devservers "box" not found', NotFound, "There is no DevServer box"),
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
            NotFound,
            "CRDs are not installed",
        ),
        (409, "AlreadyExists", "already exists", Refused, "DevServer box already exists"),
        (
            409,
            "Conflict",
            "the object has been modified",
            Refused,
            "Someone else changed DevServer box meanwhile",
        ),
        (422, "Invalid", "spec.image: bad", Refused, "refuses DevServer box: spec.image: bad"),
        (429, "", "slow down", NoAnswer, "cannot answer now"),
        (503, "", "", NoAnswer, "cannot answer now (503)"),
        (418, "", "", DevctlError, "418"),
    ],
)
def test_a_refusal_says_what_it_means(
    status: int, reason: str, message: str, kind: type[DevctlError], said: str
) -> None:
    error = refusal(status, reason, message, "DevServer box")
    assert type(error) is kind
    assert said in error.message
