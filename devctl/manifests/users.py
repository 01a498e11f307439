"""The manifest of a new DevServerUser."""

from collections.abc import Sequence

from pydantic import ValidationError

from crds import API_VERSION
from crds.user import DevServerUser
from devctl.errors import Misuse
from devctl.objects import Object


def manifest(name: str, *, keep: bool, quota: Sequence[str]) -> Object:
    """A DevServerUser. Raises Misuse."""
    hard = dict(_bound(text) for text in quota)
    body: Object = {
        "apiVersion": API_VERSION,
        "kind": "DevServerUser",
        "metadata": {"name": name},
        "spec": {
            "username": name,
            "deletionPolicy": "Retain" if keep else "Delete",
            **({"quotas": {"resourceQuotaSpec": {"hard": hard}}} if hard else {}),
        },
    }
    try:
        DevServerUser.model_validate(body)
    except ValidationError as error:
        faults = {
            f"{_place(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        }
        raise Misuse("; ".join(sorted(faults))) from error
    return body


def _place(location: Sequence[object]) -> str:
    return "--quota" if "quotas" in location else "USER"


def _bound(text: str) -> tuple[str, str]:
    name, separator, quantity = text.partition("=")
    if not separator or not name or not quantity:
        raise Misuse(f"--quota {text!r} must have the form RESOURCE=QUANTITY, for example pods=5.")
    return name, quantity
