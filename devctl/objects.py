"""API objects as plain dicts, as on the wire, and their conditions. Pure."""

from typing import Any

Object = dict[str, Any]


def condition(obj: Object, type_: str) -> Object:
    """The object's condition of that type, an empty dict if it has none."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item.get("type") == type_), {})


def is_true(obj: Object, type_: str) -> bool:
    """Whether the condition is there and true."""
    return bool(condition(obj, type_).get("status") == "True")
