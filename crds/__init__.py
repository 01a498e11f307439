"""The API `devserver.io/v1`: one set of models gives the CRD YAML, the parsing and what the CLI fills in."""

from crds.base import API_VERSION, GROUP, VERSION, Condition, LastUpdate, parse_quantity
from crds.devserver import CHILD_SUFFIXES, DevServer, DevServerSpec, is_valid_name, parse_duration
from crds.flavor import DevServerFlavor, DevServerFlavorSpec
from crds.user import NAMESPACE_PREFIX, DevServerUser, DevServerUserSpec

__all__ = [
    "API_VERSION",
    "CHILD_SUFFIXES",
    "GROUP",
    "NAMESPACE_PREFIX",
    "VERSION",
    "Condition",
    "DevServer",
    "DevServerFlavor",
    "DevServerFlavorSpec",
    "DevServerSpec",
    "DevServerUser",
    "DevServerUserSpec",
    "LastUpdate",
    "is_valid_name",
    "parse_duration",
    "parse_quantity",
]
