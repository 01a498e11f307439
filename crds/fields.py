"""Strings and mappings that fields are made of: names, labels, image references."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from crds.rules import Rule

DNS_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"


def pattern(regex: str) -> str:
    """A pattern for a whole value. Neither engine lets its `$` match before a trailing newline."""
    return f"^(?:{regex})$"


# The longest prefix, a slash and the longest name.
_QUALIFIED_NAME_LENGTH = 253 + 1 + 63
_QUALIFIED_NAME = rf"({DNS_SUBDOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{{0,61}}[A-Za-z0-9])?"


def _are_qualified_names(mapping: Mapping[str, Any]) -> bool:
    return all(
        len(key) <= _QUALIFIED_NAME_LENGTH and re.fullmatch(_QUALIFIED_NAME, key) is not None
        for key in mapping
    )


def keys_rule(message: str) -> Rule:
    """Every key of a mapping is a qualified name (the schema itself has no means to say so)."""
    escaped = _QUALIFIED_NAME.replace("\\", "\\\\")
    cel = f"self.all(key, key.size() <= {_QUALIFIED_NAME_LENGTH} && key.matches('^(?:{escaped})$'))"
    return Rule(cel, message, _are_qualified_names)


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if item is not None}


# As a model does with its fields.
NULL_IS_LEFT_OUT = BeforeValidator(_without_nulls)
LabelValue = Annotated[
    str, Field(pattern=pattern("([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?"), max_length=63)
]
LabelKey = Annotated[str, Field(pattern=pattern(_QUALIFIED_NAME), max_length=_QUALIFIED_NAME_LENGTH)]
NodeSelector = Annotated[
    dict[str, LabelValue],
    Field(max_length=16),
    keys_rule("keys must be label names such as kubernetes.io/arch"),
    NULL_IS_LEFT_OUT,
]
DnsLabel = Annotated[str, Field(pattern=pattern(DNS_LABEL), max_length=63)]
DnsSubdomain = Annotated[str, Field(pattern=pattern(DNS_SUBDOMAIN), max_length=253)]
ImageName = Annotated[
    str,
    Field(
        pattern=pattern("[A-Za-z0-9][A-Za-z0-9._:/@-]*"),
        max_length=512,
        description="Image reference, for example debian:bookworm.",
    ),
]
