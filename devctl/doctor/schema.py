"""Whether the cluster's CRDs are those of this devctl."""

from typing import Any

from crds.schema import definitions
from devctl.doctor.results import Result
from devctl.errors import Forbidden, NotFound
from devctl.objects import Object
from devctl.session import Session


def check(session: Session) -> Result:
    """The cluster's schema, which everyone signed in may read, beside this version's."""
    try:
        document = session.api.read("/openapi/v3/apis/devserver.io/v1", "schema of devserver.io/v1")
    except (NotFound, Forbidden) as error:
        return Result(
            "bad",
            "CRDs",
            f"The cluster has no devserver.io/v1. Install it with `kubectl apply -f crds/manifests`. ({error})",
        )
    schemas = (document.get("components") or {}).get("schemas") or {}
    theirs: Object = next((schema for name, schema in schemas.items() if name.endswith(".DevServer")), {})
    ours, served = _fields(_own_schema()), _fields(_spec(theirs))
    missing = sorted(ours - served)
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        return Result(
            "bad",
            "CRDs",
            f"The cluster's DevServer CRD is older: it lacks spec.{shown}. Update the CRDs.",
        )
    extra = sorted(served - ours)
    if extra:
        return Result(
            "unsure",
            "CRDs",
            f"The cluster's DevServer CRD is newer: it has spec.{', '.join(extra[:5])}. Update devctl.",
        )
    return Result("good", "CRDs", "The cluster's devserver.io/v1 matches this devctl.")


def _own_schema() -> Object:
    version = definitions()["devservers"]["spec"]["versions"][0]
    return _spec(version["schema"]["openAPIV3Schema"])


def _spec(schema: Object) -> Object:
    found: Any = (schema.get("properties") or {}).get("spec") or {}
    return dict(found)


def _fields(schema: Object, prefix: str = "") -> set[str]:
    """Paths of all fields of a schema."""
    inner = schema.get("items") or schema
    found = set()
    for name, part in (inner.get("properties") or {}).items():
        found |= {f"{prefix}{name}"} | _fields(part, f"{prefix}{name}.")
    return found
