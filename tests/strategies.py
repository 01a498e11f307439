"""Strings, and whole manifests, as hostile people and clumsy ones write them. Every string field has a strategy."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

from tests.builders import ECDSA, ED25519, MODELS, NAMESPACED
from tests.structural import SCHEMAS, Schema, whole

Object = dict[str, Any]

# Each does something somewhere: in a shell, a terminal, a template, a path, a query, a settings file, a YAML reader.
HOSTILE = [
    "",
    " ",
    "\n",
    "\r",
    "\t",
    "\0",
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "\x7f",
    "\x85",
    "\x9b2J",
    "\xa0",
    "\u00ad",
    "\u200b",
    "\u202e",
    "\u2028",
    "\u2066",
    "\ufeff",
    "\ufffd",
    "\U000e0041",
    "\U0001f642",
    "a\u0301",
    "\u0430",
    "\uff41",
    "\u0661",
    "\u00b2",
    "$(touch /tmp/owned)",
    "`id`",
    "${HOME}",
    "$$",
    "; id",
    "| sh",
    "&& id",
    "%s%n",
    "%2e%2e%2f",
    "{{ .Spec }}",
    "{% raw %}",
    "<{%reset%}>",
    "#{x}",
    "../",
    "..",
    ".",
    "/",
    "//",
    "~",
    "-",
    "--",
    "-rf",
    "*",
    "?",
    "!",
    "#",
    "\\",
    "\\n",
    "'",
    '"',
    ",",
    ":",
    "@",
    "=",
    "+",
    "_",
    "<b>",
    "(uid=*)",
    "' or 1=1 --",
    "yes",
    "null",
    "true",
    "0x10",
    "1e400",
    "NaN",
    "-0",
    "1_000",
    "&a",
    "*a",
    "!!python/object:os.system",
    "system:masters",
    "kube-system",
    "default",
    "xn--80ak6aa92e",
    "x" * 64,
    "x" * 300,
]
# Where a text stands, and what others than texts are put there.
OTHER_TYPES: list[Any] = [None, True, False, 0, -1, 7, 2**31, 2**63, 0.5, [], ["a"], {}, {"a": "b"}]

# A manifest of each kind that has every field.
FULL: dict[str, Object] = {
    "DevServer": {
        "owner": "ada@example.com",
        "flavor": "cpu-small",
        "image": "registry.example.com:5000/debian:bookworm",
        "imagePullSecrets": [{"name": "registry"}],
        "ssh": {"publicKey": f"{ED25519} ada@laptop", "additionalPublicKeys": [ECDSA]},
        "lifecycle": {"timeToLive": "1h30m"},
        "volumes": [{"claimName": "data", "mountPath": "/data", "readOnly": True}],
        "home": {"size": "10Gi", "storageClassName": "standard", "onDelete": "Delete"},
        "running": True,
        "updatePolicy": "Now",
        "driftPolicy": "Observe",
        "env": [{"name": "EDITOR", "value": "vi"}],
    },
    "DevServerFlavor": {
        "default": True,
        "driftPolicy": "Observe",
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "4Gi"}},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [
            {
                "key": "gpu",
                "operator": "Equal",
                "value": "a100",
                "effect": "NoExecute",
                "tolerationSeconds": 60,
            }
        ],
        "volumes": [{"claimName": "data", "mountPath": "/data", "readOnly": True}],
        "runtimeClassName": "nvidia",
        "shmSize": "1Gi",
        "securityProfile": "baseline",
        "prewarm": {"images": ["debian:bookworm"], "replicas": 2},
    },
    "DevServerUser": {
        "username": "ada",
        "driftPolicy": "Observe",
        "rbac": {"additionalRoleRefs": [{"kind": "ClusterRole", "name": "view"}]},
        "quotas": {
            "resourceQuotaSpec": {"hard": {"requests.cpu": "4"}},
            "limitRangeSpec": {
                "limits": [
                    {
                        "type": "Container",
                        "default": {"cpu": "1"},
                        "defaultRequest": {"cpu": "100m"},
                        "max": {"cpu": "4"},
                        "min": {"cpu": "10m"},
                    }
                ]
            },
        },
        "deletionPolicy": "Delete",
    },
}


@dataclass(frozen=True)
class Place:
    """Where a string stands in the full manifest of its kind.

    field: as tests.structural names it; `{key}` at its end: the string is a map's key.
    steps: the way there. schema: what the CRD says of it.
    """

    kind: str
    field: str
    steps: tuple[str | int, ...]
    schema: Schema = field(compare=False)

    def __str__(self) -> str:
        return f"{self.kind}.{self.field}"

    @property
    def is_key(self) -> bool:
        return self.field.endswith("{key}")

    def put(self, manifest: Object, value: Any) -> None:
        """Replace the string in a manifest that has the place."""
        *way, last = self.steps
        holder = manifest
        for step in way:
            holder = holder[step]
        if self.is_key:
            holder[value] = holder.pop(last)
        else:
            holder[last] = value


def full(kind: str) -> Object:
    """A new manifest of the kind in which every field has a value."""
    metadata = {"name": "case"} | ({"namespace": "default"} if kind in NAMESPACED else {})
    return {
        "apiVersion": "devserver.io/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": deepcopy(FULL[kind]),
    }


@cache
def places(kind: str) -> tuple[Place, ...]:
    """Every string in the full manifest of the kind, the resource's name too."""
    schema = SCHEMAS[kind]["properties"]["spec"]
    name = Place(kind, "metadata.name", ("metadata", "name"), {"type": "string"})
    return (name, *_places(kind, schema, FULL[kind], "spec", ("spec",)))


def _places(
    kind: str, schema: Schema, value: Any, field: str, steps: tuple[str | int, ...]
) -> Iterator[Place]:
    if isinstance(value, str):
        yield Place(kind, field, steps, schema)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(kind, schema["items"], item, f"{field}[]", (*steps, index))
    elif isinstance(value, dict):
        for name, item in value.items():
            if "additionalProperties" in schema:
                yield Place(kind, f"{field}{{key}}", (*steps, name), {"type": "string"})
                yield from _places(kind, schema["additionalProperties"], item, f"{field}{{}}", (*steps, name))
            else:
                yield from _places(kind, schema["properties"][name], item, f"{field}.{name}", (*steps, name))


def string_fields(kind: str) -> set[str]:
    """The string fields of the kind's model, by the names that places have: found by its types alone."""
    return {"metadata.name", *_string_fields(MODELS[kind].model_fields["spec"].annotation, "spec")}


def _string_fields(type_: Any, field: str) -> Iterator[str]:
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        yield from _string_fields(arguments[0], field)
    elif type_ is str or (origin is Literal and isinstance(arguments[0], str)):
        yield field
    elif origin is list:
        yield from _string_fields(arguments[0], f"{field}[]")
    elif origin is dict:
        yield f"{field}{{key}}"
        yield from _string_fields(arguments[1], f"{field}{{}}")
    elif isinstance(type_, type) and issubclass(type_, BaseModel):
        for member in type_.model_fields.values():
            yield from _string_fields(member.annotation, f"{field}.{member.alias}")
    else:
        for option in arguments:
            yield from _string_fields(option, field)


def strings(place: Place) -> st.SearchStrategy[str]:
    """Strings for a place: those that are allowed there, those that nearly are, and hostile ones."""
    usual = _allowed(place)
    hostile = st.sampled_from(HOSTILE)
    return st.one_of(
        usual,
        st.tuples(usual, hostile).map("".join),
        st.tuples(hostile, usual).map("".join),
        hostile,
        st.text(max_size=20),
    )


def allowed(place: Place) -> st.SearchStrategy[str]:
    """Strings that the schema allows at a place; CEL rules may still refuse them."""
    schema = place.schema
    least, most = schema.get("minLength", 0), schema.get("maxLength", 2**20)
    return _allowed(place).filter(lambda text: least <= len(text) <= most)


@cache
def _allowed(place: Place) -> st.SearchStrategy[str]:
    schema = place.schema
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" not in schema:
        return st.from_regex(whole("^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$"))
    return st.from_regex(whole(schema["pattern"]))


@st.composite
def manifests(draw: st.DrawFn, kind: str) -> Object:
    """A full manifest of the kind with one to three strings replaced, mostly by other strings."""
    manifest = full(kind)
    chosen = draw(st.lists(st.sampled_from(places(kind)), min_size=1, max_size=3, unique_by=str))
    # Keys last: the way to a value goes by its key.
    for place in sorted(chosen, key=lambda place: place.is_key):
        value: Any = draw(strings(place))
        if place.field.startswith("spec") and not place.is_key and draw(st.integers(0, 9)) == 0:
            value = deepcopy(draw(st.sampled_from(OTHER_TYPES)))
        place.put(manifest, value)
    return manifest


@st.composite
def admitted(draw: st.DrawFn, kind: str, *fields: str) -> Object:
    """A full manifest of the kind with other strings in these fields, all of which the schema allows."""
    manifest = full(kind)
    for place in places(kind):
        if place.field in fields:
            place.put(manifest, draw(allowed(place)))
    return manifest
