"""Manifests as people write them, read as strictly as the API server reads YAML."""

from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_NOT_IN_JSON = {f"{_TAG}{name}" for name in ("binary", "omap", "pairs", "set", "timestamp")}


class UnreadableError(ValueError):
    """A text is no YAML that could be a manifest. The message is one line and says where and why."""


class _Reader(yaml.SafeLoader):
    """Without the types that JSON has not, and with an error where a key stands twice."""

    # What looks like a date is a text.
    yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag not in _NOT_IN_JSON]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag not in _NOT_IN_JSON
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} appears twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_documents(text: str) -> list[Any]:
    """The documents of a YAML stream, empty ones left out. Raises UnreadableError."""
    try:
        return [document for document in yaml.load_all(text, _Reader) if document is not None]
    # The last two come of values such as `!!int x` and `!!bool x`.
    except (yaml.YAMLError, ValueError, LookupError) as error:
        raise UnreadableError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise UnreadableError("it is nested too deeply") from error
