"""The API `devserver.io/v1`: one set of models gives the CRD YAML, the parsing and what the CLI fills in.

The models are loaded when one of them is asked for, so that `crds.resources` and `crds.times` are quick to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from crds.resources import API_VERSION, GROUP, VERSION
from crds.times import parse_duration

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

if TYPE_CHECKING:
    from crds.base import Condition, LastUpdate
    from crds.devserver import CHILD_SUFFIXES, DevServer, DevServerSpec, is_valid_name
    from crds.flavor import DevServerFlavor, DevServerFlavorSpec
    from crds.quantities import parse_quantity
    from crds.user import NAMESPACE_PREFIX, DevServerUser, DevServerUserSpec
else:
    _WITH_MODELS = ("crds.base", "crds.quantities", "crds.devserver", "crds.flavor", "crds.user")

    def __getattr__(name: str) -> object:
        """What this package offers of its modules with models (PEP 562)."""
        if name in __all__:
            for module in map(import_module, _WITH_MODELS):
                if hasattr(module, name):
                    globals()[name] = getattr(module, name)
                    return globals()[name]
        raise AttributeError(f"module 'crds' has no attribute {name!r}")
