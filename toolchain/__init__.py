"""Makes the project's external programs available in exactly the pinned versions.

Each is taken from PATH, else from its publisher, else built from the Go modules beside this file, into a
cache outside the checkout: `python -m toolchain install`. Other packages ask here for the paths.
"""

from .cache import bin_dir, binary, cache_dir, pulumi_home
from .errors import ToolchainError, ToolMissing

__all__ = ["ToolMissing", "ToolchainError", "bin_dir", "binary", "cache_dir", "pulumi_home"]
