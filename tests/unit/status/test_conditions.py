"""What a kind says of its readiness."""

import pytest

from reconciler.status.conditions import APPLIED, not_ready, ready


@pytest.mark.parametrize(
    ("phase", "warns"), [("Pending", False), ("Starting", False), ("Stopped", False), ("Failing", True)]
)
def test_only_what_fails_is_a_warning(phase: str, warns: bool) -> None:
    found = not_ready("PodStarting", "The containers are starting.", phase, "2030-01-01T12:00:00Z")
    assert found.phase == phase
    assert (found.condition.type, found.condition.status) == ("Ready", "False")
    assert found.condition.warns is warns
    assert found.condition.since == "2030-01-01T12:00:00Z"


def test_what_is_ready_is_no_warning_and_has_no_time() -> None:
    for found in (APPLIED, ready("PodReady", "The pod runs and sshd answers.", "Running")):
        assert (found.condition.type, found.condition.status) == ("Ready", "True")
        assert not found.condition.warns
        assert found.condition.since == ""
    assert APPLIED.phase == "Ready"
