"""Reports states that cannot be used by an Event on the resource, once for each problem."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from reconciler.kube.objects import Key, Object
from reconciler.kube.recorder import Recorder
from reconciler.state import metrics
from reconciler.state.diagnosis import REASONS, Problem, Unusable
from reconciler.state.store import StackId

_log = structlog.get_logger()


@dataclass(frozen=True)
class StateAlerts:
    """Remembers what it reported of each stack, so that retries of a run are not reported again and again.

    find: the resource of that key, as it was last seen.
    """

    recorder: Recorder
    find: Callable[[Key], Object | None]
    _reported: dict[StackId, Problem] = field(default_factory=dict)

    async def note(self, id: StackId, unusable: Unusable | None, was_applied: bool) -> None:
        """Take up how the state was found. was_applied: whether a run has succeeded, so that there must be one."""
        if unusable is None or (unusable.problem is Problem.MISSING and not was_applied):
            self._reported.pop(id, None)
            return
        if self._reported.get(id) is unusable.problem:
            return
        self._reported[id] = unusable.problem
        metrics.state_problem(unusable.problem)
        _log.warning(
            "state unusable", pulumi_stack=id.stack, problem=unusable.problem, detail=unusable.detail
        )
        resource = self.find(id.key)
        if resource is not None and resource["metadata"]["uid"] == id.uid:
            note = (
                f"The stored state of this stack cannot be used: {unusable.detail}. The next run adopts the children "
                "that exist and records them again; nothing is lost."
            )
            await self.recorder.record(resource, "Warning", REASONS[unusable.problem], note)

    def forget(self, id: StackId) -> None:
        """Forget the stack, which is gone."""
        self._reported.pop(id, None)
