"""The garbage collector, spared what stays.

Pulumi's SDK alone is more than a hundred thousand objects. A full collection that looks through them stops everything
for a quarter of a second, and while they are loaded there is one again and again.
"""

import gc

# Objects between two collections of the youngest: passes make many that are freed without the collector's help.
_YOUNG = 10_000


def load_quietly() -> None:
    """Collect nothing while modules are imported."""
    gc.disable()


def spare_what_is_there() -> None:
    """From now on, look only through what comes later."""
    gc.freeze()
    gc.set_threshold(_YOUNG)
    gc.enable()
