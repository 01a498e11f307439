"""What the bench prints: figures as JSON lines on standard output, progress on standard error."""

import json
import statistics
import sys
import time
from collections.abc import Sequence

_BEGAN = time.monotonic()


def figure(name: str, value: float, unit: str) -> None:
    """Print one figure as `{"name": ..., "value": ..., "unit": ...}`."""
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit}), flush=True)


def note(text: str) -> None:
    """Tell of progress, with the seconds since the start."""
    print(f"bench {time.monotonic() - _BEGAN:7.1f} s  {text}", file=sys.stderr, flush=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least so many per cent of them do not exceed (nearest rank).

    Raises ValueError if there are no values or percent is not within 0 and 100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError(f"no {percent:g}th percentile of {len(values)} values")
    rank = max(1, -int(-len(values) * percent // 100))
    return sorted(values)[rank - 1]


def median(values: Sequence[float]) -> float:
    """The middle value. Raises ValueError if there are no values."""
    if not values:
        raise ValueError("no median of no values")
    return statistics.median(values)
