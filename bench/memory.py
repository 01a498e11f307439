"""Memory and processor time of a process and of all that it has started."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

_MB = 1 << 20


@dataclass
class Family:
    """A process and its descendants, those included whose parent has ended since they were first seen.

    cpu_s: their processor seconds up to the last look, by program name.
    """

    root: psutil.Process
    cpu_s: dict[str, float] = field(default_factory=dict)
    _seen: dict[psutil.Process, float] = field(default_factory=dict)

    def rss_mb(self) -> dict[str, float]:
        """Resident memory now in MiB, by program name. (Pages that processes share count for each.)"""
        found = {self.root, *self._seen}
        with suppress(psutil.NoSuchProcess):
            found |= set(self.root.children(recursive=True))
        sizes: dict[str, float] = {}
        for process in found:
            try:
                with process.oneshot():
                    name, times = process.name(), process.cpu_times()
                    sizes[name] = sizes.get(name, 0.0) + process.memory_info().rss / _MB
            except psutil.NoSuchProcess:
                self._seen.pop(process, None)
                continue
            used_s = times.user + times.system
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + used_s - self._seen.get(process, 0.0)
            self._seen[process] = used_s
        return sizes


@dataclass
class Cpu:
    """Processor seconds that a family uses while this is entered, by program name, each of `per` equal things."""

    family: Family
    per: float = 1
    parts: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.family.rss_mb()
        self._before = dict(self.family.cpu_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.family.rss_mb()
        used = self.family.cpu_s.items()
        self.parts = {name: (seconds - self._before.get(name, 0.0)) / self.per for name, seconds in used}

    @property
    def total_s(self) -> float:
        """All of them together."""
        return sum(self.parts.values())


@dataclass
class Peak:
    """Looks at families again and again while it is entered.

    rss_mb: the largest sum seen, in MiB; parts: that sum by program name.
    """

    families: list[Family]
    interval_s: float = 0.3
    rss_mb: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        self._look()

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(self.interval_s)

    def _look(self) -> None:
        parts: dict[str, float] = {}
        for family in self.families:
            for name, size in family.rss_mb().items():
                parts[name] = parts.get(name, 0.0) + size
        if sum(parts.values()) > self.rss_mb:
            self.rss_mb, self.parts = sum(parts.values()), parts


def shown(parts: dict[str, float], digits: int = 0) -> str:
    """The parts of a sum in words, the largest first."""
    return ", ".join(
        f"{name} {size:.{digits}f}" for name, size in sorted(parts.items(), key=lambda part: -part[1])
    )
