"""Rules that are written once and enforced twice: by the API server and by the models in Python."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Detail:
    """What a refusal says in place of the rule's message, with names from the value: in CEL and in Python."""

    cel: str
    text: Callable[[Any], str]


@dataclass(frozen=True)
class Rule:
    """One rule, written once and enforced twice: by the API server as CEL and by these models in Python.

    `holds` gets the Python value (a model, dict, list or string) and says whether the rule is kept. A rule
    whose CEL looks at `oldSelf` is about a change; Python sees one state only, so such a rule has no `holds`.
    `detail` is for refusals that name what is at fault; the message stands in where it cannot be told.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    detail: Detail | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        rules = json_schema.setdefault("x-kubernetes-validations", [])
        detail = {"messageExpression": self.detail.cel} if self.detail is not None else {}
        rules.append({"rule": self.cel, "message": self.message, **detail})
        return json_schema

    def check(self, value: Any) -> Any:
        """The value. Raises ValueError with the rule's message if the rule is not kept."""
        if self.holds is not None and not self.holds(value):
            raise ValueError(self.detail.text(value) if self.detail is not None else self.message)
        return value


@dataclass(frozen=True)
class UniqueBy:
    """A list whose items are told apart by one of their fields (its Python name): no two have the same value."""

    field: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        keys = [to_camel(self.field)]
        return handler(schema) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}

    def _check(self, items: list[Any]) -> list[Any]:
        values = [getattr(item, self.field) for item in items]
        if len(set(values)) < len(values):
            raise ValueError(f"Duplicate value of {to_camel(self.field)}")
        return items
