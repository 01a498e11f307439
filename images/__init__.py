"""Images for a cluster without a registry: packed into OCI tars, without a container engine.

`tars()` gives them all, `oci.pack` makes one of any directory. On the command line: `python -m images`.
"""

from .errors import ImageError
from .oci import ImageConfig, pack
from .store import tars

__all__ = ["ImageConfig", "ImageError", "pack", "tars"]
