"""The steps of a login."""

import pytest

from bench.logins import STEPS, split, stages


@pytest.mark.parametrize(
    ("conditions", "reached"),
    [
        ({}, set()),
        ({"PodScheduled": "False"}, set()),
        ({"PodScheduled": "True", "Initialized": "False"}, {"schedule"}),
        ({"PodScheduled": "True", "Initialized": "True", "Ready": "False"}, {"schedule", "init"}),
        ({"PodScheduled": "True", "Initialized": "True", "Ready": "True"}, {"schedule", "init", "ready"}),
    ],
)
def test_the_stages_of_a_pod_are_read_from_its_conditions(
    conditions: dict[str, str], reached: set[str]
) -> None:
    listed = [{"type": type_, "status": status} for type_, status in conditions.items()]
    assert stages({"status": {"conditions": listed}}) == reached
    assert stages({}) == set()


@pytest.mark.parametrize(
    ("ends", "parts"),
    [
        ((0.5, 0.6, 2.0, 3.5), (0.5, 0.1, 1.4, 1.5)),
        # Scheduled before the last child was seen: that took nothing more.
        ((0.5, 0.4, 2.0, 3.5), (0.5, 0.0, 1.5, 1.5)),
    ],
)
def test_the_steps_of_a_login_add_up_to_it(ends: tuple[float, ...], parts: tuple[float, ...]) -> None:
    found = split(dict(zip(STEPS, ends, strict=True)))
    assert found == pytest.approx(dict(zip(STEPS, parts, strict=True)))
    assert sum(found.values()) == pytest.approx(ends[-1])
