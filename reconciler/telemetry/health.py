"""Whether the reconciler is healthy and ready, for /healthz and /readyz. The rules are pure.

A stuck event loop needs no rule here. The server runs in that loop, so then a probe gets no answer in time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reconciler.settings import Settings

# The deadline applies to one command. A run may try a second time after it has removed stale locks.
_COMMANDS_PER_RUN = 2
# A provider may have to start before a run. After a killed run, its remains are searched.
_RUN_GRACE_S = 60.0
# A pass makes up to three runs, which may each wait for a slot, and dozens of requests with time-outs.
_RUNS_PER_PASS = 6
_PASS_GRACE_S = 600.0


@dataclass(frozen=True)
class Limits:
    """The longest healthy silence of a watch, engine run and pass, in seconds."""

    silence_s: float
    run_s: float
    pass_s: float

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that follow from the settings.

        A watch reconnects after watch_silence_s of silence. Then it gets the same time again.
        """
        return cls(
            silence_s=2 * settings.watch_silence_s,
            run_s=_COMMANDS_PER_RUN * settings.run_deadline_s + _RUN_GRACE_S,
            pass_s=_RUNS_PER_PASS * settings.run_deadline_s + _PASS_GRACE_S,
        )


def complaints(
    limits: Limits, silences: Mapping[str, float], runs: Mapping[str, float], longest_pass_s: float
) -> list[str]:
    """One sentence for each problem. silences: seconds by watch. runs: seconds so far, by stack."""
    silent = [
        f"the watch of {watch} has heard nothing from the API server for {silence:.0f} s (limit {limits.silence_s:g} s)"
        for watch, silence in sorted(silences.items())
        if silence > limits.silence_s
    ]
    overdue = [
        f"the engine run of {stack} has lasted {seconds:.0f} s (limit {limits.run_s:g} s)"
        for stack, seconds in sorted(runs.items())
        if seconds > limits.run_s
    ]
    stuck = [f"a pass has lasted {longest_pass_s:.0f} s (limit {limits.pass_s:g} s)"]
    return silent + overdue + (stuck if longest_pass_s > limits.pass_s else [])


@dataclass
class Health:
    """The sources of the figures. Each part of the reconciler sets its own when it starts.

    silences, runs, longest_pass_s: as for complaints(). unsynced: names of watches without their first list.
    """

    limits: Limits
    silences: Callable[[], Mapping[str, float]] = dict
    runs: Callable[[], Mapping[str, float]] = dict
    longest_pass_s: Callable[[], float] = lambda: 0.0
    unsynced: Callable[[], Iterable[str]] = lambda: ("everything",)

    def ailments(self) -> list[str]:
        """Why the process should be restarted; empty if it is healthy."""
        return complaints(self.limits, self.silences(), self.runs(), self.longest_pass_s())

    def unreadiness(self) -> list[str]:
        """What the process still waits for before it can work; empty if it is ready."""
        return [f"the first list of {watch} is not in yet" for watch in sorted(self.unsynced())]
