"""Amounts as Kubernetes writes them, such as 500m or 4Gi."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

from crds.fields import NULL_IS_LEFT_OUT, keys_rule, pattern

_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_QUANTITY = r"[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?"


def parse_quantity(text: str) -> Decimal:
    """The number that a Kubernetes quantity stands for: `500m` is 0.5, `1Ki` is 1024, `1e3` is 1000.

    Raises ValueError on anything else; nothing is guessed and no default is taken.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)((?:[eE][+-]?[0-9]{1,2})|[A-Za-z]*)", text)
    if match:
        number, suffix = Decimal(match[1]), match[2]
        if suffix[-1:].isdigit():
            return Decimal(match[0])
        if suffix in _SUFFIXES:
            return number * Decimal(10) ** _SUFFIXES[suffix]
        if suffix in _BINARY_SUFFIXES:
            return number * Decimal(2) ** _BINARY_SUFFIXES[suffix]
    raise ValueError(f"{text!r} is not a quantity such as 500m, 2 or 4Gi")


# A quantity may be written as a number in YAML (`cpu: 2`), so the schema says int-or-string, as in the
# Kubernetes API itself; in Python it is always a string. A pattern binds strings only, bounds bind numbers only.
_NUMBER_TOO = {"x-kubernetes-int-or-string": True, "minimum": 0, "maximum": 10**15 - 1}
Quantity = Annotated[
    str,
    Field(pattern=pattern(_QUANTITY), max_length=32, json_schema_extra=_NUMBER_TOO),
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
]
StorageSize = Annotated[str, Field(pattern=pattern(_QUANTITY), max_length=32)]

_KEY_MESSAGE = "keys must be names such as cpu, memory or nvidia.com/gpu"
ResourceList = Annotated[dict[str, Quantity], Field(max_length=16), keys_rule(_KEY_MESSAGE), NULL_IS_LEFT_OUT]
