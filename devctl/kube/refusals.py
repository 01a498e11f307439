"""What a refusal of the API server means to the user. Pure."""

import json

from devctl.errors import DevctlError, Forbidden, NoAnswer, NotFound, Refused, Unreachable


def refusal_of(status: int, body: bytes | str | None, what: str) -> DevctlError:
    """What an answer of that HTTP status and body means to the user."""
    try:
        answer = json.loads(body or "")
        message, reason = str(answer.get("message", "")), str(answer.get("reason", ""))
    except (ValueError, AttributeError):
        text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
        message, reason = text.strip()[:300], ""
    return refusal(status, reason, message, what)


def refusal(status: int, reason: str, message: str, what: str) -> DevctlError:
    """The same, for the machine-readable reason and the message in a body."""
    if status == 401:
        return Unreachable(
            "The cluster rejects your credentials: the token or certificate is wrong or has expired."
        )
    if status == 403 and "is forbidden: User" in message:
        return Forbidden(f"You do not have this right: {message}")
    if status == 404 and "could not find the requested resource" in message:
        return NotFound(
            "The cluster has no devserver.io/v1: its CRDs are not installed. See `devctl doctor`."
        )
    if status == 404:
        return NotFound(
            f"There is no {what}." if "not found" in message else message or f"There is no {what}."
        )
    if status == 409 and reason == "AlreadyExists":
        return Refused(f"{what} already exists.", reason)
    if status == 409:
        return Refused(f"Someone else changed {what} meanwhile. Try again. ({message})", reason or "Conflict")
    if status in (400, 403, 422):
        return Refused(f"The cluster refuses {what}: {message}", reason)
    if status == 429 or status >= 500:
        return NoAnswer(f"{what}: the API server cannot answer now ({status}): {message}")
    return DevctlError(f"{what}: {message or 'refused'} ({status} {reason})")
