"""From pydantic's JSON schema to a structural OpenAPI v3 schema and a CustomResourceDefinition."""

from typing import Any

from crds.base import CustomResource
from crds.devserver import DevServer
from crds.flavor import DevServerFlavor
from crds.resources import DEVSERVER, FLAVOR, GROUP, USER, VERSION, Resource
from crds.user import DevServerUser

JsonObject = dict[str, Any]

# `kubectl get devserver-io` shows all kinds.
CATEGORY = "devserver-io"

# Words of JSON Schema that say nothing in a CRD or are not allowed in a structural schema.
_DROPPED = {"title", "$defs", "additionalProperties", "const"}


def column(name: str, path: str, type_: str = "string", priority: int = 0) -> JsonObject:
    """A printer column; columns of priority 1 are shown by `-o wide` only."""
    spec: JsonObject = {"name": name, "type": type_, "jsonPath": path}
    return spec | ({"priority": priority} if priority else {})


# Of every kind.
READY = column("Ready", '.status.conditions[?(@.type=="Ready")].status')
REASON = column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1)
AGE = column("Age", ".metadata.creationTimestamp", "date")


def definitions() -> dict[str, JsonObject]:
    """The CustomResourceDefinitions of all kinds by their plural name."""
    crds = (
        definition(
            DevServer,
            DEVSERVER,
            "dvs",
            columns=(
                column("Owner", ".spec.owner"),
                column("Flavor", ".status.flavor"),
                column("Phase", ".status.phase"),
                READY,
                REASON,
                column("Expires", ".status.expiresAt", priority=1),
                column("Host", ".status.sshAddress.host", priority=1),
                column("Port", ".status.sshAddress.port", "integer", priority=1),
                column("Image", ".spec.image", priority=1),
                AGE,
            ),
        ),
        definition(
            DevServerFlavor,
            FLAVOR,
            "dvsf",
            columns=(
                column("Default", ".spec.default", "boolean"),
                column("CPU", ".spec.resources.requests.cpu"),
                column("Memory", ".spec.resources.requests.memory"),
                column("Schedulable", ".status.schedulable"),
                column("DevServers", ".status.devServers", "integer"),
                column("Nodes", ".status.fittingNodes", "integer", priority=1),
                column("Pending", ".status.pendingRestarts", "integer", priority=1),
                READY,
                REASON,
                AGE,
            ),
        ),
        definition(
            DevServerUser,
            USER,
            "dvsu",
            columns=(
                column("Username", ".spec.username"),
                column("Namespace", ".status.namespace"),
                READY,
                REASON,
                AGE,
            ),
        ),
    )
    return {crd["spec"]["names"]["plural"]: crd for crd in crds}


def definition(
    model: type[CustomResource],
    resource: Resource,
    short_name: str,
    columns: tuple[JsonObject, ...],
) -> JsonObject:
    """The CustomResourceDefinition of a kind, with these printer columns."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [short_name],
                # Not the plural: `kubectl delete devservers --all` would take in flavors and users.
                "categories": [CATEGORY],
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(columns),
                    "schema": {"openAPIV3Schema": _root_schema(model)},
                }
            ],
        },
    }


def _root_schema(model: type[CustomResource]) -> JsonObject:
    json_schema = model.model_json_schema(by_alias=True)
    schema = _structural(json_schema, json_schema.get("$defs", {}))
    properties = schema["properties"]
    return {
        "description": model.__doc__,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": properties["spec"],
            "status": properties["status"],
        },
        "x-kubernetes-validations": [
            {"rule": rule.cel, "message": rule.message} for rule in model.name_rules
        ],
    }


def _structural(node: Any, defs: JsonObject) -> Any:
    """The node with references inlined, optional fields as plain ones and without what a CRD does not know."""
    if isinstance(node, list):
        return [_structural(item, defs) for item in node]
    if not isinstance(node, dict):
        return node
    node = _resolved(node, defs)
    if "const" in node:
        node = {**node, "enum": [node["const"]]}
    result: JsonObject = {}
    for key, value in node.items():
        if key == "properties":
            result[key] = {name: _structural(schema, defs) for name, schema in value.items()}
        elif key == "additionalProperties" and isinstance(value, dict):
            result[key] = _structural(value, defs)
        elif key == "default":
            # The API server writes defaults into the stored object: only those that tell the reader something.
            if isinstance(value, (bool, int)) or (isinstance(value, str) and value):
                result[key] = value
        elif key not in _DROPPED:
            result[key] = _structural(value, defs)
    if result.get("x-kubernetes-int-or-string"):
        del result["type"]
    return result


def _resolved(node: JsonObject, defs: JsonObject) -> JsonObject:
    """The node with its reference replaced and without "or null": an unset field is left out of a manifest.

    What stands beside the reference or the choice is kept, rules of both are joined.
    """
    if "$ref" in node:
        inner = defs[node["$ref"].removeprefix("#/$defs/")]
    elif "anyOf" in node:
        (inner,) = (option for option in node["anyOf"] if option.get("type") != "null")
    else:
        return node
    inner = _resolved(inner, defs)
    outer = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    rules = [rule for part in (inner, outer) for rule in part.get("x-kubernetes-validations", [])]
    return {**inner, **outer, **({"x-kubernetes-validations": rules} if rules else {})}
