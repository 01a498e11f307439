"""Tells of states that cannot be used by an Event on the resource, once for each problem."""

from dataclasses import dataclass, field

import structlog

from reconciler import metrics
from reconciler.events import Recorder
from reconciler.state import StackId
from reconciler.state_problems import REASONS, Problem, Unusable
from reconciler.world import World

_log = structlog.get_logger()


@dataclass(frozen=True)
class StateAlarms:
    """Remembers what it told of each stack, so that retries of a run are not told of again and again."""

    recorder: Recorder
    world: World
    _told: dict[StackId, Problem] = field(default_factory=dict)

    async def note(self, id: StackId, unusable: Unusable | None, was_applied: bool) -> None:
        """Take up how the state was found. was_applied: whether there must be one, as a run has succeeded."""
        if unusable is None or (unusable.problem is Problem.MISSING and not was_applied):
            self._told.pop(id, None)
            return
        if self._told.get(id) is unusable.problem:
            return
        self._told[id] = unusable.problem
        metrics.state_problem(unusable.problem)
        _log.warning(
            "state unusable", pulumi_stack=id.stack, problem=unusable.problem, detail=unusable.detail
        )
        resource = self.world.resource(id.key)
        if resource is not None and resource["metadata"]["uid"] == id.uid:
            note = (
                f"The stored state of this stack cannot be used: {unusable.detail}. The next run adopts the children "
                "that exist and records them again; nothing is lost."
            )
            await self.recorder.record(resource, "Warning", REASONS[unusable.problem], note)

    def forget(self, id: StackId) -> None:
        """The stack is gone."""
        self._told.pop(id, None)
