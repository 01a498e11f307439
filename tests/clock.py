"""Clocks for tests of what goes by seconds, and by dates."""

from pathlib import Path

# For any Python: its own sleep lasts until a time of the monotonic clock, which libfaketime refuses as invalid.
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds)\n"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class WallClock:
    """The wall clock of the processes that get its variables. Go programs ask the kernel and keep the right time."""

    def __init__(self, directory: Path) -> None:
        """directory: for its files."""
        self._file = directory / "clock"
        self.move(0)
        (directory / "sitecustomize.py").write_text(_SLEEP)
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        self.variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(directory),
        }

    def move(self, by_s: int) -> None:
        """Set it ahead by so many seconds, or back."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{by_s:+d}\n")
        draft.replace(self._file)
