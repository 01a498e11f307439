"""Where a DevServer stands."""

from typing import Any

import pytest

from devctl.status.standing import Stage, standing
from tests.unit.devctl.objects import condition, server


@pytest.mark.parametrize(
    ("conditions", "stage", "reason"),
    [
        ([], Stage.WAITING, "NotSeen"),
        ([condition("Ready", "True", "PodReady")], Stage.READY, "PodReady"),
        ([condition("Ready", "True", "PodReady", 1)], Stage.WAITING, "Applying"),
        ([condition("Ready", "False", "Stopped")], Stage.STOPPED, "Stopped"),
        ([condition("Ready", "False", "Unschedulable")], Stage.WAITING, "Unschedulable"),
        ([condition("Ready", "False", "ContainerRestarting")], Stage.WAITING, "ContainerRestarting"),
        ([condition("Ready", "False", "ImagePullBackOff")], Stage.FAILED, "ImagePullBackOff"),
        ([condition("Ready", "False", "CrashLoopBackOff")], Stage.FAILED, "CrashLoopBackOff"),
        (
            [condition("Ready", "False", "X"), condition("Stalled", "True", "InvalidSpec")],
            Stage.FAILED,
            "InvalidSpec",
        ),
        (
            [condition("Ready", "True", "PodReady", 1), condition("Stalled", "True", "InvalidSpec", 1)],
            Stage.WAITING,
            "Applying",
        ),
        (
            [condition("Ready", "False", "X"), condition("Reconciling", "True", "QuotaExceeded")],
            Stage.WAITING,
            "QuotaExceeded",
        ),
    ],
)
def test_a_devserver_stands_where_its_present_spec_does(
    conditions: list[dict[str, Any]], stage: Stage, reason: str
) -> None:
    found = standing(server(*conditions).object)
    assert (found.stage, found.reason) == (stage, reason)


def test_a_devserver_that_is_being_deleted_is_not_ready() -> None:
    ending = server(condition("Ready", "True", "PodReady"), deletionTimestamp="2030-01-01T00:00:00Z")
    assert ending.standing.stage is Stage.ENDING
