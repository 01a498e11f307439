"""Keeps the garbage collector away from objects that stay.

Pulumi's SDK alone makes more than a hundred thousand objects. A full collection that goes through them stops everything
for a quarter of a second, and loading them causes several.
"""

import gc

# New objects between two collections of the youngest generation. Reference counting frees most objects of a pass.
_YOUNG = 10_000


def load_quietly() -> None:
    """Collect nothing while modules are imported."""
    gc.disable()


def spare_what_is_there() -> None:
    """From now on, collect only objects that are made later."""
    gc.freeze()
    gc.set_threshold(_YOUNG)
    gc.enable()
